/**
 * Google's front end of a deployed function: it requires an identity token, answers other calls with 403 in HTML, and
 * forwards the rest to the functions.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const FORBIDDEN =
  '<html><head><title>403 Forbidden</title></head><body><h1>Error: Forbidden</h1>' +
  '<h2>Your client does not have permission to get URL <code>/</code> from this server.</h2></body></html>';

export interface FakeIamFrontEnd {
  readonly url: string;
  /** The forwarded calls: `POST /migrate`. */
  readonly passedCalls: string[];
  readonly rejectedCount: number;
  /** Rejects the next calls, whatever their token. */
  reject(count: number): void;
  close(): Promise<void>;
}

/** @param functions the address of each function, by the first segment of the path */
export async function startFakeIamFrontEnd(
  token: string,
  functions: Readonly<Record<string, string>>,
): Promise<FakeIamFrontEnd> {
  const passedCalls: string[] = [];
  let toReject = 0;
  let rejectedCount = 0;
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    if (toReject > 0 || request.headers.authorization !== `Bearer ${token}`) {
      toReject -= 1;
      rejectedCount += 1;
      response.writeHead(403, { 'content-type': 'text/html; charset=UTF-8' }).end(FORBIDDEN);
      return;
    }
    const { method = '', url = '' } = request;
    passedCalls.push(`${method} ${url}`);
    const answer = await fetch(functions[url.split('/')[1] ?? ''] ?? 'http://127.0.0.1:9/', { method });
    const headers = { 'content-type': answer.headers.get('content-type') ?? '' };
    response.writeHead(answer.status, headers).end(await answer.text());
  };
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    passedCalls,
    get rejectedCount() {
      return rejectedCount;
    },
    reject: (count) => {
      toReject = count;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
