/** The way to a database, which a test can break and restore while the function that uses it lives on. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface BreakableProxy {
  /** The database by way of the databaseProxy. */
  readonly url: string;
  /** Cuts every connection, and every new one. */
  break(): void;
  restore(): void;
  close(): void;
}

export async function startBreakableProxy(databaseUrl: string): Promise<BreakableProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let isBroken = false;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  const server = createServer((near) => {
    near.on('error', () => undefined);
    if (isBroken) {
      near.destroy();
      return;
    }
    const far = connect(Number(target.port), target.hostname);
    far.on('error', () => near.destroy());
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    sockets.add(near);
    near.pipe(far).pipe(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    break: () => {
      isBroken = true;
      cut();
    },
    restore: () => {
      isBroken = false;
    },
    close: () => {
      server.close();
      cut();
    },
  };
}
