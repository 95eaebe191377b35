/** Starts a PostgreSQL for one benchmark. It is durable, as in production: every commit reaches the disk. */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from '../../local/ports.ts';
import { startPostgres } from '../../local/postgres/server.ts';
import { migrate } from '../../shared/db/schema/migrations.ts';

export interface BenchDatabase {
  readonly url: string;
  // biome-ignore lint/suspicious/noExplicitAny: benchmarks read any column
  rows(sql: string): Promise<any[]>;
  /** The server's log so far. */
  log(): string;
  close(): Promise<void>;
}

/** @param settings server settings as `name=value` */
export async function startBenchDatabase(settings: readonly string[] = []): Promise<BenchDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'email-monitor-bench-'));
  // The server's user must be able to enter the folder. The cluster inside it is private.
  chmodSync(folder, 0o755);
  const server = await startPostgres({
    folder: join(folder, 'postgres'),
    port: await freePort(),
    database: 'bench',
    settings,
  });
  await migrate({ kind: 'url', url: server.url });
  const pool = new pg.Pool({ connectionString: server.url, max: 2 });
  pool.on('error', () => undefined);
  return {
    url: server.url,
    rows: async (sql) => (await pool.query(sql)).rows,
    log: () => readFileSync(join(server.folder, 'postgres.log'), 'utf8'),
    close: async () => {
      await pool.end();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
