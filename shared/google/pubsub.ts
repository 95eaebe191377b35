/** Google's Pub/Sub client. */
import { PubSub } from '@google-cloud/pubsub';
import { emulatorAuth, GoogleAuth } from './auth.ts';

const SCOPE = 'https://www.googleapis.com/auth/pubsub';
/** Options of the generated client, to which PubSub passes them on. */
const REST = { fallback: true };
const PLAIN_HTTP = { protocol: 'http' };

/**
 * Uses REST, like the client of Cloud Scheduler, so that no gRPC channel stays open on a frozen instance. Always passes an
 * authClient: without one, the library looks for credentials in the background, and if there are none, an unhandled rejection
 * ends the process.
 *
 * @throws {Error} when this machine has no Google credentials
 */
export async function createPubSub(projectId: string, emulatorHost: string | null): Promise<PubSub> {
  if (emulatorHost === null) {
    const authClient = await new GoogleAuth({ scopes: [SCOPE] }).getClient();
    return new PubSub({ projectId, ...REST, authClient });
  }
  const authClient = emulatorAuth();
  return new PubSub({ projectId, ...REST, authClient, apiEndpoint: emulatorHost, ...PLAIN_HTTP });
}
