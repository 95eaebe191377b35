/**
 * Google's Cloud Scheduler client, loaded at its first use and pointed at Google or at an emulator.
 *
 * Loading costs 0.15-0.3 s, which only start, stop and status should pay. REST in both cases: one way to
 * test is the way that runs, and no gRPC channel is left behind on a frozen instance.
 */
import type { CloudSchedulerClient } from '@google-cloud/scheduler';

/** Gives the client; call it for every use, a failed load is not kept. */
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
  const { emulatorClient, realClient } = await import('./scheduler-google-client.ts');
  return emulatorHost === null ? await realClient() : emulatorClient(emulatorHost);
}
