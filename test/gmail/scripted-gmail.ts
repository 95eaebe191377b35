/** An HTTP server on loopback that answers Gmail calls by script, down to the bytes and broken sockets. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ACCESS_TOKEN } from './client-fixture.ts';

export type Script = (response: ServerResponse, request: IncomingMessage) => void | Promise<void>;

export interface ScriptedGmail {
  readonly rootUrl: string;
  readonly tokenUrl: string;
  /** Calls to the API so far, without the token endpoint. */
  callCount: number;
  tokenCount: number;
  close(): void;
}

const giveToken: Script = (response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ access_token: ACCESS_TOKEN, expires_in: 3600, token_type: 'Bearer' }));
};

/** Starts a server with one script per call; the last one repeats. */
export async function startScriptedGmail(
  scripts: readonly Script[],
  token: Script = giveToken,
): Promise<ScriptedGmail> {
  const server = createServer((request, response) => {
    const isToken = request.url === '/token';
    if (isToken) gmail.tokenCount += 1;
    else gmail.callCount += 1;
    const script = isToken ? token : scripts[Math.min(gmail.callCount, scripts.length) - 1];
    void script?.(response, request);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const rootUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const gmail: ScriptedGmail = {
    rootUrl,
    tokenUrl: `${rootUrl}token`,
    callCount: 0,
    tokenCount: 0,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return gmail;
}

export function messageJson(raw: Buffer): string {
  return JSON.stringify({
    id: 'm1',
    threadId: 't1',
    labelIds: ['INBOX'],
    internalDate: '0',
    raw: raw.toString('base64url'),
  });
}
