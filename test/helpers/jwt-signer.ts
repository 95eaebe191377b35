/** A small emulated IAM Credentials API: `signJwt` for every service account. The emulated token endpoint checks no signature. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface JwtSigner {
  /** For `IAM_CREDENTIALS_API_ROOT_URL`. */
  readonly rootUrl: string;
  close(): Promise<void>;
}

export async function startJwtSigner(): Promise<JwtSigner> {
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { payload = '{}' } = JSON.parse(Buffer.concat(chunks).toString() || '{}');
      const parts = ['{"alg":"RS256","typ":"JWT"}', payload, 'signature'];
      const signedJwt = parts.map((part) => Buffer.from(part).toString('base64url')).join('.');
      const isCall = request.method === 'POST' && request.url?.endsWith(':signJwt') === true;
      response.writeHead(isCall ? 200 : 404, { 'content-type': 'application/json' });
      response.end(JSON.stringify(isCall ? { keyId: 'emulated', signedJwt } : {}));
    })().catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    rootUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
