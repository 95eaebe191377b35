/** What PostgreSQL logs about a search, with settings that log as much as possible. */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { queryWithTimeout } from '../../../console/api/time-limited-query.ts';
import { freePort } from '../../../local/ports.ts';
import { type LocalPostgres, startPostgres } from '../../../local/postgres/server.ts';
import { type Database, openDatabase } from '../../../shared/db/database.ts';

let folder: string;
let server: LocalPostgres;
let db: Database;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'email-monitor-log-'));
  chmodSync(folder, 0o755);
  server = await startPostgres({
    folder: join(folder, 'postgres'),
    port: await freePort(),
    database: 'logged',
    settings: [
      'log_min_error_statement=error',
      'log_parameter_max_length_on_error=-1',
      'log_error_verbosity=verbose',
    ],
  });
  db = openDatabase({ target: { kind: 'url', url: server.url }, poolSize: 1 });
}, 60_000);
afterAll(async () => {
  await db.close();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

it('keeps the words of a cancelled search out of the log of PostgreSQL', async () => {
  const sql = 'select pg_sleep(5) where $1::tsquery is not null';
  expect(await queryWithTimeout(db, 50, sql, ["'zebraword':*"])).toBeNull();
  const log = readFileSync(join(server.folder, 'postgres.log'), 'utf8');
  expect(log).toContain('canceling statement due to statement timeout');
  expect(log).toContain('pg_sleep(5)');
  expect(log).not.toContain('zebraword');
});
