/**
 * A server with a minimal PostgreSQL protocol that terminates its first connections in the packet that opens them. Later
 * connections answer every statement. It reproduces reliably what a real server does only occasionally.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';

const READY = message('Z', 'I');
const TERMINATED = message('E', 'SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0');

export interface DyingServer {
  readonly url: string;
  connectionCount(): number;
  close(): Promise<void>;
}

export async function startDyingServer(dyingCount: number): Promise<DyingServer> {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    const isDying = connections <= dyingCount;
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(Buffer.concat([message('R', '\0\0\0\0'), READY, ...(isDying ? [TERMINATED] : [])]));
      if (isDying) socket.end();
      else answerAll(socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `postgres://nobody@127.0.0.1:${(server.address() as AddressInfo).port}/none`,
    connectionCount: () => connections,
    close: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

function answerAll(socket: Socket): void {
  socket.on('data', (data) => {
    if (data.toString('latin1', 0, 1) === 'X') socket.end();
    else socket.write(Buffer.concat([message('C', 'SELECT 0\0'), READY]));
  });
}

function message(type: string, body: string): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, Buffer.from(body)]);
}
