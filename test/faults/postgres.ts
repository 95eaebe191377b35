/**
 * The PostgreSQL server of the fault tests, which stop, kill and restart it while the functions run. Each fixture has its
 * own database. Queries of the tests themselves are retried until the server is back.
 */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from '../../local/ports.ts';
import { type LocalPostgres, startPostgres } from '../../local/postgres/server.ts';
import { migrate } from '../../shared/db/schema/migrations.ts';
import { AUDIT } from './audit.ts';

export interface FaultDatabase {
  readonly url: string;
  /** Runs a query, and retries it until the server is available. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read any column
  rows(sql: string, parameters?: readonly unknown[]): Promise<any[]>;
  drop(): Promise<void>;
}

/** The sessions of the functions. Sessions of the tests have another application name. */
const SESSIONS = `from pg_stat_activity where application_name = 'email-monitor'`;
const RETRY_FOR_MS = 30_000;
const RETRY_DELAY_MS = 50;
/** Enough for two or three statements. */
const DEADLOCK_CHARS = 6_000;

export type StopMode =
  /** A regular shutdown: ends all sessions and writes everything to disk. */
  | 'fast'
  /** As if the server lost power: it recovers from its write-ahead log. */
  | 'immediate'
  /** A backend process is killed: the server ends every session and recovers. */
  | 'crash';

export class FaultPostgres {
  readonly #folder: string;
  readonly #port: number;
  #server: LocalPostgres | null = null;
  #baseUrl = '';
  #count = 0;
  #readLogChars = 0;

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.#port = port;
  }

  static async start(): Promise<FaultPostgres> {
    const folder = mkdtempSync(join(tmpdir(), 'email-monitor-faults-'));
    // The server's user must be able to enter the folder. The cluster inside it is private.
    chmodSync(folder, 0o755);
    // Below the ephemeral port range, so that the port is free again after each stop.
    const cluster = new FaultPostgres(folder, await freePort(20_000 + (process.pid % 10_000)));
    await cluster.up();
    await migrate({ kind: 'url', url: cluster.#url('template') });
    await cluster.#query('template', AUDIT);
    await cluster.#query('template', "select from claim_emails('faults', 'fixture')");
    return cluster;
  }

  /** Starts the server if it is not running. */
  async up(): Promise<void> {
    if (this.#server !== null) return;
    this.#server = await startPostgres({
      folder: join(this.#folder, 'postgres'),
      port: this.#port,
      database: 'template',
      // Commits must survive a crash of the server but not of the machine, so fsync is not needed.
      settings: ['fsync=off', 'synchronous_commit=on', 'max_connections=200'],
    });
    this.#baseUrl = this.#server.url;
  }

  async stop(mode: Exclude<StopMode, 'crash'>): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    if (mode === 'fast') return await server.stop();
    const pidFile = join(server.folder, 'data/postmaster.pid');
    const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
    process.kill(pid, 'SIGQUIT');
    while (isAlive(pid) && existsSync(pidFile)) await delay(10);
  }

  /** Kills the backend process of one session of the functions. @returns false if there is no session */
  async crash(): Promise<boolean> {
    const [session] = await this.#query('postgres', `select pid ${SESSIONS} limit 1`);
    if (session === undefined) return false;
    process.kill(session.pid, 'SIGKILL');
    return true;
  }

  /** The deadlocks that the server logged since the last call, with their statements. */
  takeDeadlocks(): string[] {
    const log = readFileSync(join(this.#folder, 'postgres/postgres.log'), 'utf8');
    const fresh = log.slice(this.#readLogChars);
    this.#readLogChars = log.length;
    return fresh
      .split('deadlock detected')
      .slice(1)
      .map((text) => `deadlock: ${text.slice(0, DEADLOCK_CHARS)}`);
  }

  /** Ends every session of the functions. @returns the number of sessions */
  async cut(): Promise<number> {
    return (await this.#query('postgres', `select pg_terminate_backend(pid) ${SESSIONS}`)).length;
  }

  async createDatabase(): Promise<FaultDatabase> {
    this.#count += 1;
    const name = `system_${this.#count}`;
    await this.#query('postgres', `create database ${name} template template`);
    return {
      url: this.#url(name),
      rows: async (sql, parameters = []) => await this.#query(name, sql, parameters),
      drop: async () => {
        await this.#query('postgres', `drop database ${name} with (force)`);
      },
    };
  }

  async close(): Promise<void> {
    await this.#server?.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #url(database: string): string {
    return new URL(`/${database}`, this.#baseUrl).href;
  }

  // Uses a new session per query, so that no session delays a shutdown or stays broken after it.
  // biome-ignore lint/suspicious/noExplicitAny: tests read any column
  async #query(database: string, sql: string, parameters: readonly unknown[] = []): Promise<any[]> {
    const giveUpAt = performance.now() + RETRY_FOR_MS;
    for (;;) {
      const client = new pg.Client({
        connectionString: this.#url(database),
        application_name: 'fault-tests',
        connectionTimeoutMillis: 2_000,
      });
      client.on('error', () => undefined);
      try {
        await client.connect();
        return (await client.query(sql, [...parameters])).rows;
      } catch (error) {
        if (!isOutage(error) || performance.now() > giveUpAt) throw error;
        await delay(RETRY_DELAY_MS);
      } finally {
        await client.end().catch(() => undefined);
      }
    }
  }
}

/** True for all errors except those of the statement itself, by SQLSTATE class. */
function isOutage(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return !/^(42|22|23|3D)/.test(code);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
