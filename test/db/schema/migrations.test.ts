import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { migrate, readSchemaDifference } from '../../../shared/db/schema/migrations.ts';
import { createTestDatabase, type TestDatabase } from '../../helpers/test-database.ts';

const MIGRATIONS = join(import.meta.dirname, '../../../sql/migrations');

let db: TestDatabase;
let target: { readonly kind: 'url'; readonly url: string };
beforeEach(async () => {
  db = await createTestDatabase();
  target = { kind: 'url', url: db.url };
});
afterEach(async () => await db.close());

async function appliedNames(): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>('select name from schema_migrations order by id');
  return rows.map((row) => row.name);
}

test('migrates an empty database once', async () => {
  await db.query('drop schema public cascade; create schema public');
  expect(await migrate(target)).toContain('0001_initial-schema');
  expect(await migrate(target)).toEqual([]);
  expect(await readSchemaDifference(db)).toEqual({ pending: [], unknown: [] });
});

test('names the migrations that are pending, and those that newer code applied', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'email-monitor-migrations-'));
  try {
    cpSync(MIGRATIONS, folder, { recursive: true });
    writeFileSync(join(folder, '9998_later.sql'), 'create table later (id integer);');
    expect((await readSchemaDifference(db, folder)).pending).toEqual(['9998_later']);
    expect(await migrate(target, [], folder)).toEqual(['9998_later']);
    expect((await readSchemaDifference(db)).unknown).toEqual(['9998_later']);
    // Older code leaves it as it is.
    expect(await migrate(target)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe('a database with the migrations of the earlier schema', () => {
  const EARLIER = [
    '0001_email-monitor',
    '0002_listing-refusals',
    '0003_watch-and-proof',
    '0004_console',
    '0005_quota-refill',
  ];
  beforeEach(async () => {
    await db.query('truncate schema_migrations');
    await db.query(
      'insert into schema_migrations (name, run_on) select name, now() from unnest($1::text[]) name',
      [EARLIER],
    );
  });
  const INCOMPATIBLE = {
    code: 'schema_incompatible',
    status: 503,
    message: expect.stringContaining('0001_email-monitor'),
    remediation: expect.stringMatching(/`\.local\/`.*empty database/),
  };

  test('is refused by a migration, with the folder to delete, and not changed', async () => {
    await expect(migrate(target)).rejects.toMatchObject(INCOMPATIBLE);
    expect(await appliedNames()).toEqual(EARLIER);
  });

  test('is refused after its first migration alone', async () => {
    await db.query("delete from schema_migrations where name <> '0001_email-monitor'");
    await expect(migrate(target)).rejects.toMatchObject(INCOMPATIBLE);
  });

  test('is recognized by a check of the schema', async () => {
    await expect(readSchemaDifference(db)).rejects.toMatchObject(INCOMPATIBLE);
  });
});
