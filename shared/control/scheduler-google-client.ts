/**
 * Makes Google's Cloud Scheduler client. A module of its own, to be loaded late: what is loaded late has to be ours,
 * because a CommonJS package that is imported late has no names of its own in the bundle, only `default`.
 */

import { CloudSchedulerClient } from '../cloud-scheduler.ts';
import { AppError } from '../errors.ts';
import { GoogleAuth, OAuth2Client } from '../google-auth.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
/** Any time ahead will do: a token that counts as expired would be refreshed, which needs credentials. */
const FAKE_TOKEN_LIFE_MS = 10 * 365 * 86_400_000;

/**
 * Our own authClient always: left to itself the library looks for credentials in the background, and their
 * absence ends the process by an unhandled rejection beside the error that we catch.
 */
export async function realClient(): Promise<CloudSchedulerClient> {
  const authClient = await new GoogleAuth({ scopes: [SCOPE] }).getClient().catch((cause: unknown) => {
    const detail = 'No Google credentials on this machine (application default credentials).';
    throw new AppError('scheduler_denied', detail, { cause });
  });
  return new CloudSchedulerClient({ fallback: true, authClient });
}

/** The library does not take `host:port` in apiEndpoint, so the two go separately. */
export function emulatorClient(emulatorHost: string): CloudSchedulerClient {
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: 'emulator', expiry_date: Date.now() + FAKE_TOKEN_LIFE_MS });
  const { hostname, port } = new URL(`http://${emulatorHost}`);
  // URL drops :80, the default port of its scheme.
  const options = { apiEndpoint: hostname, port: Number(port || 80), protocol: 'http', fallback: true };
  return new CloudSchedulerClient({ ...options, authClient });
}
