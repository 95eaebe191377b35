/**
 * A real PostgreSQL of our own: made on first use, started, stopped. Its data outlives it; a server that a killed
 * parent left behind is stopped before the next one starts. What must stay true: only loopback, only with its
 * password, which stands in a file that only its owner can read.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import {
  findBinaries,
  type PostgresBinaries,
  reachableFolder,
  type ServerUser,
  serverUser,
} from './binaries.ts';

export interface LocalPostgres {
  /** With the password: for a program, not for a log. */
  readonly url: string;
  readonly port: number;
  /** Where the cluster and the file `password` really are. */
  readonly folder: string;
  stop(): Promise<void>;
}

export interface LocalPostgresOptions {
  /** Holds the cluster and its password. */
  readonly folder: string;
  readonly port: number;
  readonly database: string;
  /** Settings on top of ours, `name=value`. */
  readonly settings?: readonly string[];
}

const READY_TRIES = 400;
const READY_STEP_MS = 50;

export async function startPostgres(options: LocalPostgresOptions): Promise<LocalPostgres> {
  const user = serverUser();
  const binaries = await findBinaries(user);
  const folder = reachableFolder(options.folder, user);
  const data = join(folder, 'data');
  prepareFolder(folder, user);
  const password = await ensureCluster(binaries, folder, data, user);
  await stopOrphan(options.folder);

  const log = openSync(join(folder, 'postgres.log'), 'a');
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${options.port}`,
    'unix_socket_directories=',
    ...(options.settings ?? []),
  ];
  const server = spawn(binaries.postgres, ['-D', data, ...settings.flatMap((setting) => ['-c', setting])], {
    ...user,
    // A process group of its own: Ctrl-C at the terminal is for us, and we stop it in our order.
    detached: true,
    stdio: ['ignore', log, log],
  });
  const died = new Promise<never>((_, reject) => {
    server.once('error', reject);
    server.once('exit', () =>
      reject(new Error(`PostgreSQL did not start; see ${join(folder, 'postgres.log')}.`)),
    );
  });
  const base = `postgres://postgres:${password}@127.0.0.1:${options.port}`;
  await Promise.race([ensureDatabase(base, options.database), died]);
  died.catch(() => undefined);
  return {
    url: `${base}/${options.database}`,
    port: options.port,
    folder,
    stop: async () => {
      // One that ended by itself, or by somebody else's hand, has nothing left to stop.
      if (server.exitCode === null && server.signalCode === null) await stopServer(binaries, data, user);
    },
  };
}

/** A killed parent leaves its server behind, with its port and the lock on the data. */
export async function stopOrphan(wanted: string): Promise<void> {
  const user = serverUser();
  const data = join(reachableFolder(wanted, user), 'data');
  if (!existsSync(join(data, 'postmaster.pid'))) return;
  await stopServer(await findBinaries(user), data, user).catch(() => undefined);
}

function prepareFolder(folder: string, user: ServerUser | null): void {
  mkdirSync(folder, { recursive: true });
  if (user !== null) chownSync(folder, user.uid, user.gid);
  chmodSync(folder, 0o700);
}

/** @returns the password of the cluster, made with it */
async function ensureCluster(
  binaries: PostgresBinaries,
  folder: string,
  data: string,
  user: ServerUser | null,
): Promise<string> {
  const passwordFile = join(folder, 'password');
  if (existsSync(join(data, 'PG_VERSION')) && existsSync(passwordFile))
    return readFileSync(passwordFile, 'utf8').trim();
  // The password is written last of all: a cluster without one was not finished.
  rmSync(data, { recursive: true, force: true });
  const password = randomBytes(18).toString('base64url');
  const draft = `${passwordFile}.new`;
  writeFileSync(draft, `${password}\n`, { mode: 0o600 });
  if (user !== null) chownSync(draft, user.uid, user.gid);
  const options = [
    '--username=postgres',
    '--auth=scram-sha-256',
    `--pwfile=${draft}`,
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
  ];
  await execute(binaries.initdb, [`--pgdata=${data}`, ...options], user);
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  rmSync(draft, { force: true });
  return password;
}

async function ensureDatabase(base: string, name: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const client = new pg.Client({ connectionString: `${base}/postgres` });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rowCount } = await client.query('select 1 from pg_database where datname = $1::text', [name]);
      if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)}`);
      return;
    } catch (error) {
      if (tries >= READY_TRIES) throw error;
      await delay(READY_STEP_MS);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

async function stopServer(binaries: PostgresBinaries, data: string, user: ServerUser | null): Promise<void> {
  await execute(binaries.pgCtl, ['stop', '-D', data, '-m', 'fast', '-w', '-t', '20'], user);
}

async function execute(program: string, args: readonly string[], user: ServerUser | null): Promise<void> {
  const child = spawn(program, [...args], {
    ...user,
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  const code = await new Promise<number | null>((done, fail) => {
    child.once('error', fail);
    child.once('close', done);
  });
  if (code !== 0)
    throw new Error(`${program} ended with ${code}: ${Buffer.concat(errors).toString().trim().slice(-500)}`);
}
