/**
 * A proxy in front of PostgreSQL that records the statement, start and end of every round trip. It needs no change of the
 * measured process, so it works with the built functions.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface RoundTrip {
  /** The start of the SQL, on one line. */
  readonly sql: string;
  readonly startedMs: number;
  readonly endedMs: number;
}

export interface QueryRecorder {
  /** The database URL through the proxy. */
  readonly url: string;
  /** Returns the round trips since the last call, in order of their start. */
  take(): RoundTrip[];
  close(): void;
}

const SHOWN_LENGTH = 70;
const MESSAGE = { query: 0x51, parse: 0x50, bind: 0x42, ready: 0x5a };

export async function recordQueries(databaseUrl: string): Promise<QueryRecorder> {
  const target = new URL(databaseUrl);
  const recorded: RoundTrip[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const database = connect({ host: target.hostname, port: Number(target.port), noDelay: true });
    client.setNoDelay(true);
    let sql: string | null = null;
    const prepared = new Map<string, string>();
    let startedMs = 0;
    // The startup message has no type byte.
    const requests = new MessageReader(true, (type, body) => {
      if (type === MESSAGE.bind && sql === null) {
        // A prepared statement. Its name follows the name of the portal.
        startedMs = performance.now();
        const name = textAt(body, body.indexOf(0) + 1);
        sql = prepared.get(name) ?? name;
      }
      if (type !== MESSAGE.query && type !== MESSAGE.parse) return;
      startedMs = performance.now();
      // A Parse message starts with the name of the statement.
      const name = type === MESSAGE.parse ? textAt(body, 0) : '';
      sql = textAt(body, type === MESSAGE.parse ? body.indexOf(0) + 1 : 0);
      if (name !== '') prepared.set(name, sql);
    });
    const responses = new MessageReader(false, (type) => {
      if (type !== MESSAGE.ready || sql === null) return;
      recorded.push({ sql, startedMs, endedMs: performance.now() });
      sql = null;
    });
    for (const [from, to, reader] of [
      [client, database, requests],
      [database, client, responses],
    ] as const) {
      sockets.add(from);
      from.on('data', (chunk) => {
        reader.push(chunk);
        to.write(chunk);
      });
      from.on('close', () => to.destroy());
      from.on('error', () => to.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    take: () => recorded.splice(0).sort((a, b) => a.startedMs - b.startedMs),
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function textAt(body: Buffer, from: number): string {
  const text = body.toString('utf8', from, body.indexOf(0, from));
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, SHOWN_LENGTH);
}

/** Splits a stream into messages: a type byte, a length that includes itself, and the body. */
class MessageReader {
  readonly #onMessage: (type: number, body: Buffer) => void;
  #isStart: boolean;
  #rest = Buffer.alloc(0);

  constructor(isStart: boolean, onMessage: (type: number, body: Buffer) => void) {
    this.#isStart = isStart;
    this.#onMessage = onMessage;
  }

  push(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const head = this.#isStart ? 0 : 1;
      if (this.#rest.length < head + 4) return;
      const end = head + this.#rest.readUInt32BE(head);
      if (this.#rest.length < end) return;
      const message = this.#rest.subarray(0, end);
      this.#rest = this.#rest.subarray(end);
      if (!this.#isStart) this.#onMessage(message[0] ?? 0, message.subarray(5));
      this.#isStart = false;
    }
  }
}
