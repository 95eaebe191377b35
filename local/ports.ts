/** Free ports of the loopback interface. */
import { createServer } from 'node:net';

/** A port that nobody listens on now: `wanted` if it is free, else one of the system's choice. */
export async function freePort(wanted = 0): Promise<number> {
  return (await tryPort(wanted)) ?? (await tryPort(0)) ?? wanted;
}

/** True when somebody listens on it already. */
export async function isTaken(port: number): Promise<boolean> {
  return (await tryPort(port)) === null;
}

async function tryPort(port: number): Promise<number | null> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : null));
    });
  });
}
