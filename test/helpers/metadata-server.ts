/** Replaces Google's metadata server: issues identity tokens for any audience. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface MetadataServer {
  /** For GCE_METADATA_HOST. */
  readonly host: string;
  /** The audience of each token that was issued. */
  readonly audiences: string[];
  close(): void;
}

export async function startMetadataServer(): Promise<MetadataServer> {
  const audiences: string[] = [];
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://metadata');
    const audience = searchParams.get('audience');
    const isKnown = pathname === '/computeMetadata/v1/instance/service-accounts/default/identity';
    if (!isKnown || audience === null || request.headers['metadata-flavor'] !== 'Google') {
      response.writeHead(404).end();
      return;
    }
    audiences.push(audience);
    response.writeHead(200, { 'metadata-flavor': 'Google', 'content-type': 'text/html' });
    response.end(idTokenFor(audience));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    audiences,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

export function idTokenFor(audience: string): string {
  return `header.${Buffer.from(JSON.stringify({ aud: audience })).toString('base64url')}.signature`;
}
