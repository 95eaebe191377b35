/** A proxy in front of PostgreSQL that can freeze, as a stopped process does, or refuse connections, as a killed one does. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface FreezingProxy {
  readonly url: string;
  /** Accepts connections and data, but passes nothing on. */
  freeze(): void;
  /** Breaks all connections, and new ones at once. */
  kill(): void;
  /** Passes on everything, also what arrived while it was frozen. */
  recover(): void;
  close(): Promise<void>;
}

export async function startFreezingProxy(databaseUrl: string): Promise<FreezingProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let mode: 'open' | 'frozen' | 'dead' = 'open';
  const server = createServer((client) => {
    if (mode === 'dead') {
      client.destroy();
      return;
    }
    const database = connect(Number(target.port), target.hostname);
    for (const [one, other] of [
      [client, database],
      [database, client],
    ] as const) {
      sockets.add(one);
      one.on('data', (data) => other.write(data));
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      // A listener of `data` starts the flow.
      if (mode === 'frozen') one.pause();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  const destroyAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: url.href,
    freeze: () => {
      mode = 'frozen';
      for (const socket of sockets) socket.pause();
    },
    kill: () => {
      mode = 'dead';
      destroyAll();
    },
    recover: () => {
      mode = 'open';
      for (const socket of sockets) socket.resume();
    },
    close: async () => {
      destroyAll();
      server.close();
      await once(server, 'close');
    },
  };
}
