/** Google's Cloud Storage client, and the end of its requests when their time is over. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { Storage } from '@google-cloud/storage';
import { emulatorAuth, GoogleAuth } from './auth.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
/** Signs URLs of the emulator, which does not check who signed them. */
const EMULATED_SIGNER = 'attachment-url@emulator.example.com';

const requests = new AsyncLocalStorage<Set<ClientRequest>>();
subscribe('http.client.request.created', (message) => {
  requests.getStore()?.add((message as { readonly request: ClientRequest }).request);
});

/**
 * Runs a call of the client. The client has no timeout of its own, and a request that hangs would keep its bytes in memory.
 *
 * @throws {Error} with the code ETIMEDOUT after `ms` milliseconds; its requests are ended then
 */
export async function callWithin<T>(ms: number, call: () => Promise<T>): Promise<T> {
  const open = new Set<ClientRequest>();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = Object.assign(new Error(`No answer within ${ms} ms`), { code: 'ETIMEDOUT' });
    late.reject(error);
    for (const request of open) request.destroy(error);
  }, ms);
  try {
    return await Promise.race([requests.run(open, call), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The caller retries and bounds each call. `emulatorUrl` ends in a slash; null means Google.
 *
 * @throws {Error} when this machine has no Google credentials
 */
export async function createStorage(emulatorUrl: string | null): Promise<Storage> {
  const retryOptions = { autoRetry: false };
  let storage: Storage;
  if (emulatorUrl === null) {
    const authClient = new GoogleAuth({ scopes: [SCOPE] });
    // Without credentials the client would send requests without a token.
    await authClient.getClient();
    storage = new Storage({ authClient, retryOptions });
  } else {
    const apiEndpoint = emulatorUrl.replace(/\/$/, '');
    storage = new Storage({ apiEndpoint, authClient: new EmulatorAuth(), retryOptions });
  }
  // The client also reads STORAGE_EMULATOR_HOST, and then leaves out the path of the API.
  storage.baseUrl = `${storage.apiEndpoint}/storage/v1`;
  // Otherwise an error of one download ends all requests: the client destroys the agent that they share.
  const request = (options: object) => Object.assign(options, { forever: false });
  storage.interceptors.push({ request: request as Storage['interceptors'][number]['request'] });
  return storage;
}

class EmulatorAuth extends GoogleAuth {
  constructor() {
    super({ authClient: emulatorAuth(), projectId: 'emulator' });
  }

  override getCredentials = async () => await Promise.resolve({ client_email: EMULATED_SIGNER });
}
