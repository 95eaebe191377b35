/**
 * Google's Cloud Scheduler client, for Google or for an emulator. It is loaded at first use, because loading is slow and
 * only start, stop and status need it. Both targets use REST: tests exercise the production transport, and no gRPC
 * channel stays open on a frozen instance.
 */
import type { CloudSchedulerClient } from '@google-cloud/scheduler';

/** @returns the client, loaded once. Call it for each use: a failed load is not cached. */
export type ClientSource = () => Promise<CloudSchedulerClient>;

/** @param emulatorHost `host:port`, null for Google */
export function lazyClient(emulatorHost: string | null): ClientSource {
  let client: Promise<CloudSchedulerClient> | null = null;
  return () => {
    client ??= loadClient(emulatorHost).catch((error: unknown) => {
      client = null;
      throw error;
    });
    return client;
  };
}

async function loadClient(emulatorHost: string | null): Promise<CloudSchedulerClient> {
  const { emulatorClient, realClient } = await import('../google/scheduler.ts');
  return emulatorHost === null ? await realClient() : emulatorClient(emulatorHost);
}
