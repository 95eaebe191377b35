/**
 * What stands before a deployed function: asks for an identity token, refuses as Google's front end does, in HTML, and
 * hands the rest on to the functions.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const REFUSAL =
  '<html><head><title>403 Forbidden</title></head><body><h1>Error: Forbidden</h1>' +
  '<h2>Your client does not have permission to get URL <code>/</code> from this server.</h2></body></html>';

export interface FrontDoor {
  readonly url: string;
  /** `POST /migrate`, as they were let in. */
  readonly letIn: string[];
  readonly refusedCount: number;
  /** So many calls are refused, whatever they bring. */
  refuse(count: number): void;
  close(): Promise<void>;
}

/** @param functions by the first part of the path: where they are served */
export async function openFrontDoor(
  token: string,
  functions: Readonly<Record<string, string>>,
): Promise<FrontDoor> {
  const letIn: string[] = [];
  let toRefuse = 0;
  let refusedCount = 0;
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    if (toRefuse > 0 || request.headers.authorization !== `Bearer ${token}`) {
      toRefuse -= 1;
      refusedCount += 1;
      response.writeHead(403, { 'content-type': 'text/html; charset=UTF-8' }).end(REFUSAL);
      return;
    }
    const { method = '', url = '' } = request;
    letIn.push(`${method} ${url}`);
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
    letIn,
    get refusedCount() {
      return refusedCount;
    },
    refuse: (count) => {
      toRefuse = count;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
