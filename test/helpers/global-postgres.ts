/**
 * Starts one real PostgreSQL for the whole test run, with a migrated template database. Each test file clones its own
 * database from it (see `test-database.ts`). The server and its files are removed when the run ends.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
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

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'email-monitor-test-'));
  // The server's user must be able to enter the folder. The cluster inside it is private.
  chmodSync(folder, 0o755);
  const server = await startPostgres({
    folder: join(folder, 'postgres'),
    port: await freePort(),
    database: 'template',
    // The data is only needed during the run, so it does not have to be durable.
    settings: ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_connections=200'],
  });
  await migrate({ kind: 'url', url: server.url });
  project.provide('postgresUrl', server.url);
  return async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}
