/** Google's Cloud Scheduler client. */
import { CloudSchedulerClient } from '@google-cloud/scheduler';
import { emulatorAuth, GoogleAuth } from './auth.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';

/**
 * Always passes an authClient. Without one, the library looks for credentials in the background, and if there are none, an
 * unhandled rejection ends the process.
 *
 * @throws {Error} when this machine has no Google credentials
 */
export async function realClient(): Promise<CloudSchedulerClient> {
  const authClient = await new GoogleAuth({ scopes: [SCOPE] }).getClient();
  return new CloudSchedulerClient({ fallback: true, authClient });
}

/** The library does not accept `host:port` in apiEndpoint, so host and port are passed separately. */
export function emulatorClient(emulatorHost: string): CloudSchedulerClient {
  const authClient = emulatorAuth();
  const { hostname, port } = new URL(`http://${emulatorHost}`);
  // URL drops :80, the default port of its scheme.
  const options = { apiEndpoint: hostname, port: Number(port || 80), protocol: 'http', fallback: true };
  return new CloudSchedulerClient({ ...options, authClient });
}
