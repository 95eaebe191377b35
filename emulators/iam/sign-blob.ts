/**
 * The method `signBlob` of an emulated IAM Credentials API, with a key of its own:
 * https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signBlob
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { rejectionOf } from '../loopback-requests.ts';

export interface RunningSigner {
  /** Ends in a slash; for IAM_CREDENTIALS_API_ROOT_URL. */
  readonly rootUrl: string;
  /** PEM; verifies the signatures (RSA, SHA-256). */
  readonly publicKey: string;
  /** The service accounts for which it signed. */
  readonly signedFor: string[];
  /** When set, each call is answered with this status. */
  failsWith: number | null;
  close(): Promise<void>;
}

const PATH = /^\/v1\/projects\/-\/serviceAccounts\/([^/:]+):signBlob$/;

/** @param port 0 means any free port */
export async function startEmulatedSigner(port = 0): Promise<RunningSigner> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const signedFor: string[] = [];
  const running = { failsWith: null as number | null };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const send = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const account = PATH.exec(decodeURIComponent(request.url ?? ''))?.[1];
    if (rejectionOf(request.headers) !== null || account === undefined || request.method !== 'POST')
      return send(404, { error: { code: 404, message: 'Not Found', status: 'NOT_FOUND' } });
    if (running.failsWith !== null)
      return send(running.failsWith, {
        error: {
          code: running.failsWith,
          message: 'Permission iam.serviceAccounts.signBlob denied.',
          status: 'PERMISSION_DENIED',
        },
      });
    const { payload } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { payload: string };
    signedFor.push(account);
    const signature = sign('RSA-SHA256', Buffer.from(payload, 'base64'), privateKey);
    return send(200, { keyId: 'emulated', signedBlob: signature.toString('base64') });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return Object.assign(running, {
    rootUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    signedFor,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  });
}
