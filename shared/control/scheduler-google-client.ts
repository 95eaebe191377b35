/**
 * Creates Google's Cloud Scheduler client. A separate module, so that `scheduler-client.ts` can import it dynamically: in
 * the bundle, a CommonJS package that is imported dynamically has only `default`, no named exports.
 */
import { CloudSchedulerClient } from '../cloud-scheduler.ts';
import { AppError } from '../errors.ts';
import { emulatorAuth, GoogleAuth } from '../google-auth.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';

/**
 * Always passes an authClient. Without one, the library looks for credentials in the background, and if there are none, an
 * unhandled rejection ends the process.
 */
export async function realClient(): Promise<CloudSchedulerClient> {
  const authClient = await new GoogleAuth({ scopes: [SCOPE] }).getClient().catch((cause: unknown) => {
    const detail = 'No Google credentials on this machine (application default credentials).';
    throw new AppError('scheduler_denied', detail, { cause });
  });
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
