/**
 * Google's Cloud Scheduler client, loaded at its first use and pointed at Google or at an emulator.
 *
 * Loading costs 0.15-0.3 s, which only start, stop and status should pay. REST in both cases: one way to
 * test is the way that runs, and no gRPC channel is left behind on a frozen instance.
 */
import type { CloudSchedulerClient } from '@google-cloud/scheduler';
import { AppError } from '../errors.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
/** Any time ahead will do: a token that counts as expired would be refreshed, which needs credentials. */
const FAKE_TOKEN_LIFE_MS = 10 * 365 * 86_400_000;

/** Gives the client; call it for every use, a failed load is not kept. */
export type ClientSource = () => Promise<CloudSchedulerClient>;

/**
 * Our own authClient always: left to itself the library looks for credentials in the background, and their
 * absence ends the process by an unhandled rejection beside the error that we catch.
 */
async function realClient(): Promise<CloudSchedulerClient> {
  const [{ CloudSchedulerClient }, { GoogleAuth }] = await Promise.all([
    import('@google-cloud/scheduler'),
    import('google-auth-library'),
  ]);
  const authClient = await new GoogleAuth({ scopes: [SCOPE] }).getClient().catch((cause: unknown) => {
    const detail = 'No Google credentials on this machine (application default credentials).';
    throw new AppError('scheduler_denied', detail, { cause });
  });
  return new CloudSchedulerClient({ fallback: true, authClient });
}

/** The library does not take `host:port` in apiEndpoint, so the two go separately. */
async function emulatorClient(emulatorHost: string): Promise<CloudSchedulerClient> {
  const [{ CloudSchedulerClient }, { OAuth2Client }] = await Promise.all([
    import('@google-cloud/scheduler'),
    import('google-auth-library'),
  ]);
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: 'emulator', expiry_date: Date.now() + FAKE_TOKEN_LIFE_MS });
  const { hostname, port } = new URL(`http://${emulatorHost}`);
  // URL drops :80, the default port of its scheme.
  const options = { apiEndpoint: hostname, port: Number(port || 80), protocol: 'http', fallback: true };
  return new CloudSchedulerClient({ ...options, authClient });
}

/** @param emulatorHost `host:port`, null for Google */
export function lazyClient(emulatorHost: string | null): ClientSource {
  let client: Promise<CloudSchedulerClient> | null = null;
  return () => {
    client ??= (emulatorHost === null ? realClient() : emulatorClient(emulatorHost)).catch((error) => {
      client = null;
      throw error;
    });
    return client;
  };
}
