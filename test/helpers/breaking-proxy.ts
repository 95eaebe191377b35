/**
 * A proxy in front of PostgreSQL that can drop the response to a statement. The server runs and commits the statement, and
 * the connection breaks before the client gets the response.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** ReadyForQuery outside a transaction: the statement is finished and committed. */
const READY = Buffer.from('Z\0\0\0\u0005I', 'latin1');

export interface BreakingProxy {
  readonly url: string;
  connectionCount(): number;
  /** The next statement is committed, but its connection breaks before the response. Later connections work. */
  breakAfterNextStatement(): void;
  close(): Promise<void>;
}

export async function startBreakingProxy(databaseUrl: string): Promise<BreakingProxy> {
  const target = new URL(databaseUrl);
  const clients = new Set<Socket>();
  let connectionCount = 0;
  let isBreaking = false;
  const server = createServer((client) => {
    connectionCount += 1;
    clients.add(client);
    const database = connect(Number(target.port), target.hostname);
    for (const [one, other] of [
      [client, database],
      [database, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
    client.pipe(database);
    database.on('data', (answer) => {
      if (!isBreaking) client.write(answer);
      else if (answer.subarray(-READY.length).equals(READY)) {
        isBreaking = false;
        client.destroy();
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    connectionCount: () => connectionCount,
    breakAfterNextStatement: () => {
      isBreaking = true;
    },
    close: async () => {
      for (const client of clients) client.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
