import { afterAll, expect, test } from 'vitest';
import { pruneEmailAccesses, pruneOldRecords, pruneRuns } from '../../shared/db/pruning.ts';
import { insertLeasedMailbox } from '../helpers/listing-rows.ts';
import { createTestDatabase } from '../helpers/test-database.ts';

const db = await createTestDatabase();
afterAll(async () => await db.close());

async function column(sql: string): Promise<unknown[]> {
  return (await db.query<Record<string, unknown>>(sql)).rows.map((row) => Object.values(row)[0]);
}

test('pruneOldRecords deletes old reconciliations, list jobs and closed incidents, and keeps recent and open ones', async () => {
  const { mailboxId } = await insertLeasedMailbox(db);
  await db.query(
    `insert into reconciliations (mailbox_id, window_begins_at, is_full, query, started_at, evaluated_at)
     select ${mailboxId}, now(), false, days::text, now() - days * interval '1 day', now() - days * interval '1 day'
     from unnest('{92, 89}'::integer[]) as days`,
  );
  await db.query(
    `insert into reconciliations (mailbox_id, window_begins_at, is_full, query, started_at)
     values (${mailboxId}, now(), false, 'open', now() - interval '99 days')`,
  );
  await db.query(
    `insert into list_jobs (mailbox_id, purpose, query, finished_at)
     values (${mailboxId}, 'gap', '92', now() - interval '92 days'),
            (${mailboxId}, 'gap', '89', now() - interval '89 days'),
            (${mailboxId}, 'gap', 'open', null)`,
  );
  await db.query(
    `insert into incidents (mailbox_id, kind, opened_at, closed_at)
     values (${mailboxId}, 'old', now(), now() - interval '367 days'),
            (${mailboxId}, 'young', now(), now() - interval '364 days'),
            (${mailboxId}, 'open', now() - interval '900 days', null)`,
  );
  expect(await column('select has_old_records()')).toEqual([true]);
  expect(await pruneOldRecords(db)).toBe(3);
  expect(await column('select query from reconciliations order by id')).toEqual(['89', 'open']);
  expect(await column('select query from list_jobs order by id')).toEqual(['89', 'open']);
  expect(await column('select kind from incidents order by id')).toEqual(['young', 'open']);
  expect(await column('select has_old_records()')).toEqual([false]);
  expect(await pruneOldRecords(db)).toBe(0);
});

test.each([
  [
    'reconciliations',
    `insert into reconciliations (mailbox_id, window_begins_at, is_full, query, evaluated_at)
     select id, now(), false, 'q', now() - interval '92 days' from mailboxes limit 1`,
  ],
  [
    'list jobs',
    `insert into list_jobs (mailbox_id, purpose, query, finished_at)
     select id, 'gap', 'q', now() - interval '92 days' from mailboxes limit 1`,
  ],
  [
    'incidents',
    `insert into incidents (mailbox_id, kind, closed_at)
     select id, 'old', now() - interval '367 days' from mailboxes limit 1`,
  ],
])('has_old_records is true for old %s alone', async (_name, insert) => {
  await db.query('truncate reconciliations, reconciliation_ids, list_jobs, incidents');
  expect(await column('select has_old_records()')).toEqual([false]);
  await db.query(insert);
  expect(await column('select has_old_records()')).toEqual([true]);
});

test('pruneOldRecords deletes a limited number of records per call', async () => {
  await db.query('truncate reconciliations, reconciliation_ids, list_jobs, incidents');
  await db.query(
    `insert into list_jobs (mailbox_id, purpose, query, finished_at)
     select m.id, 'gap', 'q', now() - interval '92 days'
     from (select id from mailboxes limit 1) m
     cross join generate_series(1, 600)`,
  );
  expect(await pruneOldRecords(db)).toBe(500);
  expect(await pruneOldRecords(db)).toBe(100);
});

async function runs(count: number, age: string): Promise<void> {
  await db.query(
    `insert into ingest_runs (trigger, started_at)
     select 'push', now() - $2::interval
     from generate_series(1, $1::integer)`,
    [count, age],
  );
}

test('pruneRuns deletes runs older than 90 days, faster than pushes can add them, and keeps recent ones', async () => {
  const PUSHES_PER_DAY = 86_400;
  const POLLS_PER_DAY = 1_440;
  await runs(3_000, '91 days');
  await runs(10, '89 days');
  const removed = await pruneRuns(db);
  expect(removed).toBeGreaterThan((PUSHES_PER_DAY + POLLS_PER_DAY) / POLLS_PER_DAY);
  while ((await pruneRuns(db)) > 0);
  const { rows } = await db.query('select count(*)::integer as left from ingest_runs');
  expect(rows).toEqual([{ left: 10 }]);
});

test('pruneEmailAccesses deletes records of who read which email after a year, and keeps recent ones', async () => {
  expect(await column('select has_old_email_accesses()')).toEqual([false]);
  await db.query(
    `insert into email_accesses (accessed_at, account, email_id, action)
     select now() - days * interval '1 day', 'ann@example.com', days, 'open'
     from unnest('{367, 364}'::integer[]) as days`,
  );
  expect(await column('select has_old_email_accesses()')).toEqual([true]);
  expect(await pruneEmailAccesses(db)).toBe(1);
  expect(await column('select email_id from email_accesses')).toEqual([364]);
  expect(await column('select has_old_email_accesses()')).toEqual([false]);
});
