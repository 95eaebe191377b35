/**
 * Starts one real PostgreSQL for the whole test run, with a migrated template database. Tests clone their own
 * databases from it (see `test-database.ts`). The server and its files are removed when the run ends.
 */
import { chmodSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { freePort } from '../../local/ports.ts';
import { startPostgres } from '../../local/postgres/server.ts';
import { migrate } from '../../shared/db/schema/migrations.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string;
  }
}

/** Files in memory on Linux. Each test creates a database of hundreds of files, which takes five times as long on a disk. */
const MEMORY = '/dev/shm';
const ENOUGH_BYTES = 4 * 1024 ** 3;

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(hasSpace(MEMORY) ? MEMORY : tmpdir(), 'email-monitor-test-'));
  // The server's user must be able to enter the folder. The cluster inside it is private.
  chmodSync(folder, 0o755);
  const server = await startPostgres({
    folder: join(folder, 'postgres'),
    port: await freePort(),
    database: 'template',
    // The data is only needed during the run, so it does not have to be durable.
    settings: [
      'fsync=off',
      'synchronous_commit=off',
      'full_page_writes=off',
      'max_connections=200',
      'max_wal_size=256MB',
    ],
  });
  await migrate({ kind: 'url', url: server.url });
  project.provide('postgresUrl', server.url);
  return async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}

/** A container without settings has 64 MB there, and macOS has no such folder. */
function hasSpace(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize >= ENOUGH_BYTES;
  } catch {
    return false;
  }
}
