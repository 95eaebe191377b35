/**
 * Google's front end of a deployed function: it requires an identity token, answers other calls with 403 in HTML, and
 * forwards the rest to the functions. It can also answer like a function that waits for the migration of its schema.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const FORBIDDEN =
  '<html><head><title>403 Forbidden</title></head><body><h1>Error: Forbidden</h1>' +
  '<h2>Your client does not have permission to get URL <code>/</code> from this server.</h2></body></html>';

const MIGRATING = {
  type: 'about:blank',
  status: 503,
  code: 'schema_outdated',
  title: 'The database schema is outdated',
  detail: 'The schema is being migrated.',
  remediation: 'Wait a minute and call again.',
};

export interface FakeIamFrontEnd {
  readonly url: string;
  /** The forwarded calls: `GET /status`. */
  readonly passedCalls: string[];
  readonly rejectedCount: number;
  /** Rejects the next calls, whatever their token. */
  reject(count: number): void;
  /** The functions migrate their schema while they answer the next calls. */
  migrateDuring(count: number): void;
  close(): Promise<void>;
}

/** @param functions the address of each function, by the first segment of the path */
export async function startFakeIamFrontEnd(
  token: string,
  functions: Readonly<Record<string, string>>,
): Promise<FakeIamFrontEnd> {
  const passedCalls: string[] = [];
  let toReject = 0;
  let toMigrate = 0;
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
    if (toMigrate > 0) {
      toMigrate -= 1;
      const type = { 'content-type': 'application/problem+json', 'retry-after': '5' };
      response.writeHead(503, type).end(JSON.stringify(MIGRATING));
      return;
    }
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
    migrateDuring: (count) => {
      toMigrate = count;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
