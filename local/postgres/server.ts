/**
 * A local PostgreSQL server: the cluster is created on first use, and its data is kept. The server stops when its parent
 * process exits; one that a killed parent left behind is stopped before the next start.
 * Invariant: it listens on loopback only and requires its password, which is in a file that only its owner can read.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants, existsSync, lchownSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { findBinaries, type PostgresBinaries, reachableFolder, serverUser } from './binaries.ts';
import { prepareClusterFolder, prepareDataFolder, type ServerUser } from './own-folder.ts';

export interface LocalPostgres {
  /** Contains the password: do not log it. */
  readonly url: string;
  readonly port: number;
  /** The folder of the cluster and of the file `password`. */
  readonly folder: string;
  stop(): Promise<void>;
}

export interface LocalPostgresOptions {
  /** For the cluster and its password; replaced when the server's user cannot enter it. */
  readonly folder: string;
  readonly port: number;
  readonly database: string;
  /** Additional settings, `name=value`. */
  readonly settings?: readonly string[];
}

const { O_APPEND, O_CREAT, O_NOFOLLOW = 0, O_WRONLY } = constants;
const LOG_FLAGS = O_APPEND | O_CREAT | O_NOFOLLOW | O_WRONLY;

const READY_TRIES = 400;
const READY_STEP_MS = 50;

export async function startPostgres(options: LocalPostgresOptions): Promise<LocalPostgres> {
  const user = serverUser();
  const binaries = await findBinaries(user);
  const folder = reachableFolder(options.folder, user);
  const data = join(folder, 'data');
  prepareClusterFolder(folder, user);
  const password = await ensureCluster(binaries, folder, data, user);
  await stopOrphan(options.folder);

  const log = openSync(join(folder, 'postgres.log'), LOG_FLAGS, 0o600);
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${options.port}`,
    'unix_socket_directories=',
    ...(options.settings ?? []),
  ];
  const server = spawn(binaries.postgres, ['-D', data, ...settings.flatMap((setting) => ['-c', setting])], {
    ...user,
    env: serverEnvironment(),
    // In its own process group: Ctrl-C must not stop the server before the functions.
    detached: true,
    stdio: ['ignore', log, log],
  });
  // SIGINT is PostgreSQL's fast shutdown. This covers every exit that skips `stop`.
  const stopOnExit = () => server.kill('SIGINT');
  process.once('exit', stopOnExit);
  server.once('exit', () => process.off('exit', stopOnExit));
  const died = new Promise<never>((_, reject) => {
    server.once('error', reject);
    server.once('exit', () =>
      reject(new Error(`PostgreSQL did not start; see ${join(folder, 'postgres.log')}.`)),
    );
  });
  const base = `postgres://postgres:${password}@127.0.0.1:${options.port}`;
  try {
    await Promise.race([ensureDatabase(base, options.database), died]);
  } catch (error) {
    await stopServer(binaries, data, user).catch(() => undefined);
    throw error;
  }
  died.catch(() => undefined);
  return {
    url: `${base}/${options.database}`,
    port: options.port,
    folder,
    stop: async () => {
      // It may have ended on its own, or another process may have stopped it.
      if (server.exitCode === null && server.signalCode === null) await stopServer(binaries, data, user);
    },
  };
}

/** Stops a server that a killed parent left behind, and so frees its port and the lock on its data. */
export async function stopOrphan(wanted: string): Promise<void> {
  const user = serverUser();
  const data = join(reachableFolder(wanted, user), 'data');
  if (!existsSync(join(data, 'postmaster.pid'))) return;
  await stopServer(await findBinaries(user), data, user).catch(() => undefined);
}

/** Creates the cluster if it does not exist. @returns its password */
async function ensureCluster(
  binaries: PostgresBinaries,
  folder: string,
  data: string,
  user: ServerUser | null,
): Promise<string> {
  const passwordFile = join(folder, 'password');
  if (existsSync(join(data, 'PG_VERSION')) && existsSync(passwordFile))
    return readFileSync(passwordFile, 'utf8').trim();
  // The password is written last, so a cluster without one is incomplete.
  rmSync(data, { recursive: true, force: true });
  const password = randomBytes(18).toString('base64url');
  const initialPasswordFile = `${passwordFile}.new`;
  rmSync(initialPasswordFile, { force: true });
  writeFileSync(initialPasswordFile, `${password}\n`, { mode: 0o600, flag: 'wx' });
  if (user !== null) lchownSync(initialPasswordFile, user.uid, user.gid);
  prepareDataFolder(data, user);
  const options = [
    '--username=postgres',
    '--auth=scram-sha-256',
    `--pwfile=${initialPasswordFile}`,
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
  ];
  await execute(binaries.initdb, [`--pgdata=${data}`, ...options], user);
  rmSync(passwordFile, { force: true });
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600, flag: 'wx' });
  rmSync(initialPasswordFile, { force: true });
  return password;
}

/** Only what the programs need: the environment of `npm start` has the credentials of Gmail, and another user owns the server. */
function serverEnvironment(): Record<string, string> {
  const names = ['PATH', 'TZ', 'SystemRoot', 'TEMP', 'TMP'];
  const kept = names.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(kept), LC_ALL: 'C' };
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
    env: serverEnvironment(),
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
    throw new Error(
      `${program} exited with code ${code}: ${Buffer.concat(errors).toString().trim().slice(-500)}`,
    );
}
