/**
 * The PostgreSQL of the suite: a cluster that is stopped, killed and started again under the functions, with one
 * database for each fixture. What the suite itself asks waits until the server is back.
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
  /** Asks again until the server answers. */
  // biome-ignore lint/suspicious/noExplicitAny: rows as they are
  rows(sql: string, parameters?: readonly unknown[]): Promise<any[]>;
  drop(): Promise<void>;
}

/** Of the functions; the suite's own sessions have another name. */
const SESSIONS = `from pg_stat_activity where application_name = 'email-monitor'`;
const PATIENCE_MS = 30_000;
const STEP_MS = 50;
/** Two or three statements. */
const DEADLOCK_CHARS = 6_000;

export type StopMode =
  /** As an operator does it: sessions are ended, everything reaches the disk. */
  | 'fast'
  /** As if the machine lost power for the server alone: it recovers from its log. */
  | 'immediate'
  /** One of its processes dies: the server throws out every session and recovers. */
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
    // Entered by the server's user too; the cluster below it is closed to others.
    chmodSync(folder, 0o755);
    // Below the ports that the system gives to outgoing connections: it must be free again after each stop.
    const cluster = new FaultPostgres(folder, await freePort(20_000 + (process.pid % 10_000)));
    await cluster.up();
    await migrate({ kind: 'url', url: cluster.#url('template') });
    await cluster.#ask('template', AUDIT);
    return cluster;
  }

  /** Starts it, if it is down. */
  async up(): Promise<void> {
    if (this.#server !== null) return;
    this.#server = await startPostgres({
      folder: join(this.#folder, 'postgres'),
      port: this.#port,
      database: 'template',
      // The machine stays up, so the disk need not be waited for; a commit must still outlive the server.
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

  /** Kills the process behind one session of the functions; false when there is none. */
  async crash(): Promise<boolean> {
    const [session] = await this.#ask('postgres', `select pid ${SESSIONS} limit 1`);
    if (session === undefined) return false;
    process.kill(session.pid, 'SIGKILL');
    return true;
  }

  /** What the server logged about deadlocks since the last call, with their statements. */
  takeDeadlocks(): string[] {
    const log = readFileSync(join(this.#folder, 'postgres/postgres.log'), 'utf8');
    const fresh = log.slice(this.#readLogChars);
    this.#readLogChars = log.length;
    return fresh
      .split('deadlock detected')
      .slice(1)
      .map((text) => `deadlock: ${text.slice(0, DEADLOCK_CHARS)}`);
  }

  /** Ends every session of the functions. @returns how many there were */
  async cut(): Promise<number> {
    return (await this.#ask('postgres', `select pg_terminate_backend(pid) ${SESSIONS}`)).length;
  }

  async createDatabase(): Promise<FaultDatabase> {
    this.#count += 1;
    const name = `system_${this.#count}`;
    await this.#ask('postgres', `create database ${name} template template`);
    return {
      url: this.#url(name),
      rows: async (sql, parameters = []) => await this.#ask(name, sql, parameters),
      drop: async () => {
        await this.#ask('postgres', `drop database ${name} with (force)`);
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

  // A session for each question: none of ours is in the way of a stop, and none is left broken by it.
  // biome-ignore lint/suspicious/noExplicitAny: rows as they are
  async #ask(database: string, sql: string, parameters: readonly unknown[] = []): Promise<any[]> {
    const giveUpAt = performance.now() + PATIENCE_MS;
    for (;;) {
      const client = new pg.Client({
        connectionString: this.#url(database),
        application_name: 'fault-suite',
        connectionTimeoutMillis: 2_000,
      });
      client.on('error', () => undefined);
      try {
        await client.connect();
        return (await client.query(sql, [...parameters])).rows;
      } catch (error) {
        if (!isOutage(error) || performance.now() > giveUpAt) throw error;
        await delay(STEP_MS);
      } finally {
        await client.end().catch(() => undefined);
      }
    }
  }
}

/** Everything but a statement that is wrong. */
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
