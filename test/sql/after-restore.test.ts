/** A restored database continues: every email of the lost time is stored again, exactly once, with ids that were never used. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { storedIds } from '../helpers/stored.ts';
import { order } from '../helpers/test-emails.ts';
import type { Instance, TestSystem } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const AFTER_RESTORE = readFileSync(join(import.meta.dirname, '../../sql/after-restore.sql'), 'utf8');
const ID_TABLES = ['incoming_emails', 'email_attachments', 'email_ledger', 'ingest_runs'] as const;

const createTestSystem = useTestSystems();

/** Copies the database as it is now, as a backup does. @returns the URL of the copy */
async function backUp(system: TestSystem): Promise<string> {
  const source = new URL(system.db.url);
  const copy = new URL(source);
  copy.pathname = `/restored_${randomUUID().replaceAll('-', '')}`;
  const admin = new URL(source);
  admin.pathname = '/postgres';
  await withClient(admin.href, async (client) => {
    const name = source.pathname.slice(1);
    // PostgreSQL copies only a database without sessions. The pools of the system connect again.
    await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
    await client.query(`create database ${copy.pathname.slice(1)} template ${name}`);
  });
  return copy.href;
}

async function withClient<T>(connectionString: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function idsOf(system: { db: Pick<TestSystem['db'], 'query'> }): Promise<Record<string, number[]>> {
  const tables = await Promise.all(
    ID_TABLES.map(async (table) => {
      const { rows } = await system.db.query<{ id: number }>(`select id from ${table} order by id`);
      return [table, rows.map((row) => row.id)] as const;
    }),
  );
  return Object.fromEntries(tables);
}

/** Three emails before the restore point and four after it, all of them seen by consumers; then the restore. */
async function restoredSystem(system: TestSystem): Promise<{ restored: Instance; all: string[] }> {
  const all = [0, 1, 2].map((n) => system.gmail.deliver(order(n)).id);
  await system.turnOn();
  await system.ingest();
  const url = await backUp(system);
  for (const n of [3, 4, 5, 6]) {
    all.push(system.gmail.deliver(order(n)).id);
    await system.ingest();
  }
  await withClient(url, async (client) => await client.query(AFTER_RESTORE));
  return { restored: system.instance({ DATABASE_URL: url }), all: all.toSorted() };
}

const inRestored = (system: TestSystem, restored: Instance): TestSystem => ({
  ...system,
  rows: async <Row extends object>(sql: string, parameters: unknown[] = []) =>
    (await restored.context.db.query<Row>(sql, parameters)).rows,
});

describe('a database restored to an earlier time', () => {
  test.each(['is still known to Gmail', 'has expired'])(
    'gets every later email again exactly once after start, when its history cursor %s',
    async (cursor) => {
      const system = await createTestSystem();
      const { restored, all } = await restoredSystem(system);
      const before = await idsOf(system);
      const kept = await idsOf({ db: restored.context.db });
      if (cursor === 'has expired') system.gmail.expireHistory();

      expect((await restored.call('poll')).json).toMatchObject({ outcome: 'stopped' });
      expect(await storedIds(inRestored(system, restored))).toHaveLength(3);
      await restored.call('start');
      await restored.call('poll');

      expect(await storedIds(inRestored(system, restored))).toEqual(all);
      const after = await idsOf({ db: restored.context.db });
      for (const table of ID_TABLES) {
        const used = new Set(before[table]);
        const added = after[table]?.filter((id) => !kept[table]?.includes(id)) ?? [];
        expect(added.length, table).toBeGreaterThan(0);
        expect(
          added.filter((id) => used.has(id)),
          table,
        ).toEqual([]);
      }
    },
  );

  test('would hand out used ids again without the script', async () => {
    const system = await createTestSystem();
    system.gmail.deliver(order(0));
    await system.ingest();
    const url = await backUp(system);
    system.gmail.deliver(order(1));
    await system.ingest();
    const restored = system.instance({ DATABASE_URL: url });
    await restored.ingest();
    const ids = (await idsOf({ db: restored.context.db }))['incoming_emails'];
    expect(ids).toEqual((await idsOf(system))['incoming_emails']);
  });

  test('reconciles with Gmail without a missing email', async () => {
    const system = await createTestSystem();
    const { restored, all } = await restoredSystem(system);
    await restored.call('start');
    await restored.call('pollNow', { query: { reconcile: 'all' } });
    await restored.call('poll');
    const [result] = await inRestored(system, restored).rows(
      'select gmail_count, stored_count, missing_count from reconciliations where evaluated_at is not null order by id desc limit 1',
    );
    expect(result).toEqual({ gmail_count: all.length, stored_count: all.length, missing_count: 0 });
  });
});

describe('sql/after-restore.sql', () => {
  test('raises every identity sequence of the schema, and again when it runs twice', async () => {
    const system = await createTestSystem();
    const columns = await system.rows<{ name: string }>(
      `select table_name::text as name from information_schema.columns
       where table_schema = 'public' and is_identity = 'YES' order by 1`,
    );
    const run = async (): Promise<Record<string, unknown>[]> =>
      await withClient(system.db.url, async (client) => {
        const results = (await client.query(AFTER_RESTORE)) as unknown as pg.QueryResult[];
        return results.at(-1)?.rows ?? [];
      });
    const first = await run();
    expect(first.map((row) => row['table_name'])).toEqual(columns.map((column) => column.name));
    expect(first.find((row) => row['table_name'] === 'incoming_emails')).toEqual({
      table_name: 'incoming_emails',
      last_restored_id: '0',
      next_id: '50000001',
    });
    const second = await run();
    expect(second.find((row) => row['table_name'] === 'ingest_runs')).toMatchObject({
      next_id: '2000000001',
    });
  });
});
