import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Database } from '../../../shared/db/database.ts';
import { knownMigrations } from '../../../shared/db/schema/known-migrations.ts';
import { migrate } from '../../../shared/db/schema/migrations.ts';
import { SchemaCheck } from '../../../shared/db/schema/schema-check.ts';
import { AppError } from '../../../shared/errors.ts';
import { createTestDatabase, type TestDatabase } from '../../helpers/test-database.ts';

const NEWEST = knownMigrations().at(-1);

let db: TestDatabase;
beforeEach(async () => {
  db = await createTestDatabase();
});
afterEach(async () => await db.close());

/** Counts the statements that reach the database, and fails those that a test says. */
function observed(failNext: () => AppError | null = () => null): { db: Database; sent: string[] } {
  const sent: string[] = [];
  const query: Database['query'] = async (sql, parameters) => {
    sent.push(typeof sql === 'string' ? sql : sql.text);
    const error = failNext();
    if (error !== null) throw error;
    return await db.query(sql, parameters);
  };
  return { db: { ...db, query }, sent };
}

test('an instance checks a current schema once, before its first statement', async () => {
  const { db: inner, sent } = observed();
  const check = new SchemaCheck();
  const guarded = check.guard(inner);
  await Promise.all([guarded.query('select 1'), guarded.query('select 2')]);
  await guarded.transaction(async (tx) => await tx.query('select 3'));
  await guarded.query('select 4');
  expect(sent.map((sql) => sql.split('\n', 1)[0])).toEqual([
    'select exists (select from schema_migrations m where m.name = $1::text) as is_applied,',
    'select 1',
    'select 2',
    'select 4',
  ]);
  expect(check.needsMigrate).toBe(false);
});

test('no statement and no transaction reaches an older schema', async () => {
  await db.query('delete from schema_migrations where name = $1', [NEWEST]);
  const { db: inner, sent } = observed();
  const check = new SchemaCheck();
  const guarded = check.guard(inner);
  let hasBegun = false;
  const begin = async () => {
    hasBegun = true;
  };
  await expect(guarded.query('select 1')).rejects.toMatchObject({ code: 'schema_outdated' });
  await expect(guarded.transaction(begin)).rejects.toMatchObject({ code: 'schema_outdated' });
  expect([hasBegun, sent.includes('select 1'), check.needsMigrate]).toEqual([false, false, true]);
});

test('the check finds that another instance has migrated', async () => {
  await db.query('delete from schema_migrations where name = $1', [NEWEST]);
  const check = new SchemaCheck();
  const guarded = check.guard(db);
  await expect(guarded.query('select 1')).rejects.toMatchObject({ code: 'schema_outdated' });
  await db.query('insert into schema_migrations (name, run_on) values ($1, now())', [NEWEST]);
  expect((await guarded.query('select 1')).rows).toHaveLength(1);
  expect(check.needsMigrate).toBe(false);
});

test('changed accounts need migrate and block no statement', async () => {
  const accounts = [{ part: 'consumer', consumer: 'orders', account: 'postgres' }] as const;
  const target = { kind: 'url', url: db.url } as const;
  const needsMigrate = async () => {
    const check = new SchemaCheck(accounts);
    expect((await check.guard(db).query('select 1')).rows).toHaveLength(1);
    return check.needsMigrate;
  };
  expect(await needsMigrate()).toBe(true);
  await migrate(target, accounts);
  expect(await needsMigrate()).toBe(false);
  await migrate(target, [{ part: 'status', account: 'postgres' }]);
  expect(await needsMigrate()).toBe(true);
});

test('a schema that newer code has migrated is current', async () => {
  await db.query("insert into schema_migrations (name, run_on) values ('9999_later', now())");
  expect((await new SchemaCheck().guard(db).query('select 1')).rows).toHaveLength(1);
});

test('an unreachable database is reported as such, does not need migrate, and is checked again', async () => {
  let error: AppError | null = new AppError('database_unavailable', 'PostgreSQL: ECONNREFUSED.');
  const check = new SchemaCheck();
  const guarded = check.guard(observed(() => error).db);
  await expect(guarded.query('select 1')).rejects.toMatchObject({ code: 'database_unavailable' });
  expect(check.needsMigrate).toBe(false);
  error = null;
  expect((await guarded.query('select 1')).rows).toHaveLength(1);
});

test('an account that may not read the migrations is reported as denied, and needs migrate', async () => {
  const denied = new AppError('database_denied', 'PostgreSQL denied access (SQLSTATE 42501).');
  const check = new SchemaCheck();
  await expect(check.guard(observed(() => denied).db).query('select 1')).rejects.toBe(denied);
  expect(check.needsMigrate).toBe(true);
});

test.each([
  ['a missing column', 'needs', 'select nothing from mailboxes'],
  ['a missing table', 'needs', 'select 1 from nowhere'],
  ['a missing function', 'needs', 'select nothing(1)'],
  ['a rejected value', 'does not need', "select 'x'::integer"],
])('%s in a later statement %s migrate', async (_name, needs, sql) => {
  const check = new SchemaCheck();
  const guarded = check.guard(db);
  await guarded.query('select 1');
  await expect(guarded.transaction(async (tx) => await tx.query(sql))).rejects.toBeInstanceOf(AppError);
  expect(check.needsMigrate).toBe(needs === 'needs');
  check.onMigrated();
  expect(check.needsMigrate).toBe(false);
});
