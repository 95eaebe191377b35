import { afterAll, beforeEach, expect, test } from 'vitest';
import type { Queryable } from '../../shared/db/database.ts';
import { compactLedgerChanges } from '../../shared/db/pruning.ts';
import { createTestDatabase } from '../helpers/test-database.ts';

const db = await createTestDatabase();
afterAll(async () => await db.close());

beforeEach(async () => {
  await db.query('truncate email_ledger');
  await db.query('delete from mailboxes');
  await db.query(
    `insert into mailboxes (email_address, cursor_history_id) values ('a@example.com', 1), ('b@example.com', 1)`,
  );
});

/** The sums of the changes, and the counts of the ledger itself, by mailbox and state. */
async function shown(): Promise<{ counted: unknown; real: unknown }> {
  const { rows: counted } = await db.query(
    `select mailbox_id, state, sum(change)::integer as n
     from ledger_changes
     group by mailbox_id, state
     having sum(change) <> 0
     order by mailbox_id, state`,
  );
  const { rows: real } = await db.query(
    `select mailbox_id, state, count(*)::integer as n
     from email_ledger
     group by mailbox_id, state
     order by mailbox_id, state`,
  );
  return { counted, real };
}

async function expectCorrect(): Promise<void> {
  const { counted, real } = await shown();
  expect(counted).toEqual(real);
}

/** In one statement, so in one snapshot: a concurrent commit shows in both or in neither. */
async function expectCorrectDuringWrites(): Promise<void> {
  const { rows } = await db.query(
    `select *
     from (select mailbox_id, state, sum(change)::integer as n from ledger_changes group by mailbox_id, state) c
     full join (select mailbox_id, state, count(*)::integer as n from email_ledger group by mailbox_id, state) l
       using (mailbox_id, state)
     where coalesce(c.n, 0) <> coalesce(l.n, 0)`,
  );
  expect(rows).toEqual([]);
}

async function changeRows(): Promise<number> {
  const { rows } = await db.query<{ n: number }>('select count(*)::integer as n from ledger_changes');
  return rows[0]?.n ?? 0;
}

async function compactAll(on: Queryable): Promise<void> {
  const { rows } = await db.query<{ id: number }>('select id from mailboxes order by id');
  for (const { id } of rows) await compactLedgerChanges(on, id);
}

/** 300 rows in each of the two mailboxes, 100 of each state. */
async function fill(): Promise<void> {
  await db.query(
    `insert into email_ledger (mailbox_id, gmail_message_id, source, state)
     select m.id, 'm' || n, 'history', (array['pending', 'stored', 'gone'])[1 + n % 3]
     from mailboxes m, generate_series(1, 300) n`,
  );
}

test('the ledger counts are right after every kind of change', async () => {
  await fill();
  await expectCorrect();
  await db.query(`update email_ledger set state = 'stored' where state = 'pending' and id % 2 = 0`);
  await db.query(`update email_ledger set state = 'ignored', ignored_rule = 'spam' where state = 'gone'`);
  await db.query(`update email_ledger set attempt_count = attempt_count + 1`);
  await db.query(
    `insert into email_ledger (mailbox_id, gmail_message_id, source)
     select mailbox_id, gmail_message_id, 'history' from email_ledger where state = 'ignored'
     on conflict (mailbox_id, gmail_message_id) do update set state = 'pending', ignored_rule = null`,
  );
  await db.query(`delete from email_ledger where id % 7 = 0`);
  await expectCorrect();
  await db.query(`truncate email_ledger`);
  await expectCorrect();
});

test('a ledger that is truncated during compaction counts nothing', async () => {
  await fill();
  await db.query(`update email_ledger set state = 'stored' where state = 'pending'`);
  let emptied: Promise<unknown> = Promise.resolve();
  await db.transaction(async (tx) => {
    await compactAll(tx);
    emptied = db.query('truncate email_ledger');
    await expect
      .poll(async () => {
        const { rowCount } = await db.query(
          `select from pg_stat_activity
           where datname = current_database() and wait_event_type = 'Lock' and query like 'truncate%'`,
        );
        return rowCount;
      })
      .toBe(1);
  });
  await emptied;
  await expectCorrect();
});

test('a ledger change that is rolled back is not counted', async () => {
  await fill();
  const before = await shown();
  await expect(
    db.transaction(async (tx) => {
      await tx.query(`update email_ledger set state = 'dead'`);
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  expect(await shown()).toEqual(before);
  await expectCorrect();
});

test('an attempt, which does not change the state, inserts no count change', async () => {
  await fill();
  const before = await changeRows();
  await db.query('update email_ledger set attempt_count = 1, claim_token = gen_random_uuid()');
  expect(await changeRows()).toBe(before);
});

test('compaction leaves few rows and changes no sum, even when two calls run during writes', async () => {
  await fill();
  await db.query(`update email_ledger set state = 'stored' where state = 'pending'`);
  expect(await changeRows()).toBeGreaterThan(200);
  await Promise.all([
    compactAll(db),
    db.query(`update email_ledger set state = 'gone' where state = 'stored' and id % 2 = 0`),
    compactAll(db),
    expectCorrectDuringWrites(),
  ]);
  await expectCorrect();
  await compactAll(db);
  await compactAll(db);
  await expectCorrect();
  expect(await changeRows()).toBeLessThan(200);
});

test('compaction of one mailbox is due by its own changes, and leaves those of the others', async () => {
  await fill();
  const [busy = 0, idle = 0] = (
    await db.query<{ id: number }>('select id from mailboxes order by id')
  ).rows.map(({ id }) => id);
  await db.query(`update email_ledger set state = 'stored' where state = 'pending' and mailbox_id = $1`, [
    busy,
  ]);
  const isDue = async (id: number) =>
    (await db.query<{ due: boolean }>('select has_many_ledger_changes($1::integer) as due', [id])).rows[0]
      ?.due;
  expect([await isDue(busy), await isDue(idle)]).toEqual([true, false]);
  await compactLedgerChanges(db, idle);
  expect(await isDue(busy)).toBe(true);
  await compactLedgerChanges(db, busy);
  expect([await isDue(busy), await isDue(idle)]).toEqual([false, false]);
  await expectCorrect();
});

test('compaction of one mailbox is due from 50 changes on, because status sums those of every mailbox', async () => {
  const { rows } = await db.query<{ id: number }>(
    "insert into mailboxes (email_address, cursor_history_id) values ('quiet@example.com', 1) returning id",
  );
  const id = rows[0]?.id ?? 0;
  const change = async (count: number) => {
    await db.query(
      "insert into ledger_changes (mailbox_id, state, change) select $1, 'stored', 1 from generate_series(1, $2::integer)",
      [id, count],
    );
    await compactLedgerChanges(db, id);
    const changes = await db.query<{ change: number }>(
      'select change from ledger_changes where mailbox_id = $1',
      [id],
    );
    return changes.rows.length;
  };
  expect([await change(49), await change(1)]).toEqual([49, 1]);
});
