/** Free ports of the loopback interface. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Systems give higher ports to outgoing connections. One of these could take a chosen port before it is opened. */
const LOWEST_PORT = 10_240;
const HIGHEST_PORT = 32_000;
const MAX_TRIES = 50;

/**
 * @returns `wanted` if that port is free now, else another free port
 * @throws {Error} of the system when no port can be opened
 */
export async function freePort(wanted = randomPort()): Promise<number> {
  for (let port = wanted, tries = 1; ; port = randomPort(), tries += 1) {
    try {
      return await tryPort(port);
    } catch (error) {
      if (tries === MAX_TRIES) throw error;
    }
  }
}

function randomPort(): number {
  return randomInt(LOWEST_PORT, HIGHEST_PORT);
}

/** @throws {Error} of the system, with its `code`, when the port cannot be opened */
async function tryPort(port: number): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.close(() => resolve(port));
    });
  });
}

/** @param code of the system's error */
export function portProblem(port: number, code: string | undefined): string {
  const reason =
    code === 'EADDRINUSE'
      ? 'is taken'
      : code === 'EACCES'
        ? 'needs administrator rights, as all low port numbers do'
        : `cannot be opened (${code ?? 'unknown error'})`;
  return `Port ${port} of 127.0.0.1 ${reason}. Choose another one: \`PORT=9000 npm start\`.`;
}

export interface LocalPorts {
  readonly console: number;
  readonly gmail: number;
  readonly scheduler: number;
  readonly poll: number;
  readonly gmailPush: number;
  readonly postgres: number;
  readonly ingestMailbox: number;
}

/**
 * The console gets the wanted port (PORT, default 8080), the others the ports after it if they are free. So the addresses
 * stay the same from start to start.
 *
 * @throws {Error} when the wanted port is invalid or cannot be opened
 */
export async function choosePorts(wanted: string | undefined): Promise<LocalPorts> {
  const first = Number(wanted?.trim() || 8080);
  if (!Number.isInteger(first) || first < 1 || first > 65_529) {
    throw new Error(`PORT must be a number from 1 to 65529.`);
  }
  await tryPort(first).catch(({ code }: NodeJS.ErrnoException) => {
    throw new Error(portProblem(first, code));
  });
  return {
    console: first,
    gmail: await freePort(first + 1),
    scheduler: await freePort(first + 2),
    poll: await freePort(first + 3),
    gmailPush: await freePort(first + 4),
    postgres: await freePort(first + 5),
    ingestMailbox: await freePort(first + 6),
  };
}
