import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SelfMigration } from '../../shared/control/self-migration.ts';
import { SchemaCheck } from '../../shared/db/schema/schema-check.ts';
import { AppError } from '../../shared/errors.ts';
import { json, noContent, problem } from '../../shared/http.ts';
import { createLog } from '../../shared/log.ts';
import { type MetadataServer, startMetadataServer } from '../helpers/metadata-server.ts';
import { type MigrateService, startMigrateService } from '../helpers/migrate-service.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

const OUTDATED = problem(new AppError('schema_outdated', 'The database does not have the migration 7.'));

let db: TestDatabase;
let metadata: MetadataServer;
let service: MigrateService;
let check: SchemaCheck;
let nowMs: number;
let lines: Record<string, unknown>[];
beforeEach(async () => {
  [db, metadata] = await Promise.all([createTestDatabase(), startMetadataServer()]);
  service = await startMigrateService(async () => json<object>(200, { applied: [], granted: [] }));
  vi.stubEnv('GCE_METADATA_HOST', metadata.host);
  check = new SchemaCheck();
  nowMs = 0;
  lines = [];
});
afterEach(async () => {
  service.close();
  metadata.close();
  await db.close();
});

const selfMigration = (waitMs = 60_000) =>
  new SelfMigration({
    url: service.url,
    check,
    log: createLog({ level: 'info', format: 'json', sink: (line) => lines.push(JSON.parse(line)) }),
    clock: () => nowMs,
    waitMs,
  });

async function meetMissingTable(): Promise<void> {
  await expect(check.guard(db).query('select 1 from nowhere')).rejects.toMatchObject({
    code: 'schema_outdated',
  });
}

test('a response passes unchanged, and migrate is not called, while the schema is current', async () => {
  expect(await selfMigration().complete(OUTDATED)).toBe(OUTDATED);
  expect(service.callCount).toBe(0);
});

test('a success passes unchanged when the request has met an older schema, and migrate is called', async () => {
  await meetMissingTable();
  const response = noContent();
  expect(await selfMigration().complete(response)).toBe(response);
  expect(service.callCount).toBe(1);
});

test('migrate is called at most once per minute, even if the schema stays older', async () => {
  const migration = selfMigration();
  const seen: [number, string | undefined, number][] = [];
  for (nowMs of [0, 1, 59_999, 60_000, 119_000, 120_000]) {
    await meetMissingTable();
    const { headers } = await migration.complete(OUTDATED);
    seen.push([nowMs, headers['retry-after'], service.callCount]);
  }
  expect(seen).toEqual([
    [0, '1', 1],
    [1, '60', 1],
    [59_999, '1', 1],
    [60_000, '1', 2],
    [119_000, '1', 2],
    [120_000, '1', 3],
  ]);
});

test('a request does not wait longer than its limit, and the next one waits for the same call', async () => {
  const answer = Promise.withResolvers<void>();
  service.answer = async () => {
    await answer.promise;
    return json<object>(200, { applied: ['0007_large-index'], granted: [] });
  };
  await meetMissingTable();
  const migration = selfMigration(0);
  expect((await migration.complete(OUTDATED)).headers['retry-after']).toBe('5');
  await vi.waitFor(() => expect(service.callCount).toBe(1), { timeout: 20_000 });
  nowMs = 200_000;
  expect((await migration.complete(OUTDATED)).headers['retry-after']).toBe('5');
  answer.resolve();
  await vi.waitFor(() => expect(check.needsMigrate).toBe(false), { timeout: 20_000 });
  expect([service.callCount, lines]).toEqual([1, [expect.objectContaining({ applied_count: 1 })]]);
});

test.each([429, 503])('an answer %i that migrate is busy is not an error', async (status) => {
  const busy = problem(new AppError('migration_running', 'Another process is migrating this database.'));
  service.answer = async () => (status === 429 ? { status, headers: {}, body: 'Rate exceeded.' } : busy);
  await meetMissingTable();
  expect((await selfMigration().complete(OUTDATED)).headers['retry-after']).toBe('5');
  expect(lines).toMatchObject([{ severity: 'WARNING', error_code: 'migration_running' }]);
});

test('a success of another service does not count as a migration', async () => {
  service.answer = async () => ({ status: 200, headers: {}, body: '<html>Welcome</html>' });
  await meetMissingTable();
  expect((await selfMigration().complete(OUTDATED)).headers['retry-after']).toBe('60');
  expect(lines).toMatchObject([{ severity: 'ERROR', error_code: 'migrate_unavailable' }]);
});

test('a metadata server that does not answer ends the call, so that later requests do not wait for it', async () => {
  const silent = createServer();
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  vi.stubEnv('GCE_METADATA_HOST', `127.0.0.1:${(silent.address() as AddressInfo).port}`);
  await meetMissingTable();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const completed = selfMigration().complete(OUTDATED);
    await vi.advanceTimersByTimeAsync(30_000);
    expect((await completed).headers['retry-after']).toBe('60');
    expect(lines).toMatchObject([{ message: expect.stringContaining('gave no token: no answer.') }]);
  } finally {
    vi.useRealTimers();
    silent.closeAllConnections();
    silent.close();
  }
});

test('the log never contains the token', async () => {
  service.answer = async () => ({ status: 500, headers: {}, body: 'broken' });
  await meetMissingTable();
  await selfMigration().complete(OUTDATED);
  expect(lines).toHaveLength(1);
  expect(JSON.stringify(lines)).not.toMatch(/header\.|Bearer/);
});
