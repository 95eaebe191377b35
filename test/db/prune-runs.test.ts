import { afterAll, expect, test } from 'vitest';
import { pruneRuns } from '../../shared/db/runs.ts';
import { createTestDatabase } from '../helpers/test-database.ts';

const db = await createTestDatabase();
afterAll(async () => await db.close());

async function runs(count: number, age: string): Promise<void> {
  await db.query(
    `insert into ingest_runs (trigger, started_at)
     select 'push', now() - $2::interval
     from generate_series(1, $1::integer)`,
    [count, age],
  );
}

test('runs older than ninety days go, faster than pushes can bring new ones, and younger ones stay', async () => {
  const PUSHES_A_DAY = 86_400;
  const POLLS_A_DAY = 1_440;
  await runs(3_000, '91 days');
  await runs(10, '89 days');
  const removed = await pruneRuns(db);
  expect(removed).toBeGreaterThan((PUSHES_A_DAY + POLLS_A_DAY) / POLLS_A_DAY);
  while ((await pruneRuns(db)) > 0);
  const { rows } = await db.query('select count(*)::integer as left from ingest_runs');
  expect(rows).toEqual([{ left: 10 }]);
});
