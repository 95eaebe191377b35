/** Free ports of the loopback interface. */
import { createServer } from 'node:net';

/** @returns `wanted` if that port is free now, else a free port that the system chooses */
export async function freePort(wanted = 0): Promise<number> {
  return (await tryPort(wanted)) ?? (await tryPort(0)) ?? wanted;
}

/** True when a process already listens on the port. */
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

export interface LocalPorts {
  readonly console: number;
  readonly gmail: number;
  readonly scheduler: number;
  readonly poll: number;
  readonly gmailPush: number;
  readonly postgres: number;
}

/**
 * The console gets the wanted port (PORT, default 8080), the others the ports after it if they are free. So the addresses
 * stay the same from start to start.
 *
 * @throws {Error} when the wanted port is taken or invalid
 */
export async function choosePorts(wanted: string | undefined): Promise<LocalPorts> {
  const first = Number(wanted?.trim() || 8080);
  if (!Number.isInteger(first) || first < 1 || first > 65_530) {
    throw new Error(`PORT must be a number from 1 to 65530.`);
  }
  if (await isTaken(first)) {
    throw new Error(`Port ${first} of 127.0.0.1 is taken. Choose another one: \`PORT=9000 npm start\`.`);
  }
  return {
    console: first,
    gmail: await freePort(first + 1),
    scheduler: await freePort(first + 2),
    poll: await freePort(first + 3),
    gmailPush: await freePort(first + 4),
    postgres: await freePort(first + 5),
  };
}
