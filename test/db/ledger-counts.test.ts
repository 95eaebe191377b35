import { afterAll, beforeEach, expect, test } from 'vitest';
import { readMailboxes } from '../../shared/db/mailbox-status.ts';
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

async function expectRight(): Promise<void> {
  const { counted, real } = await shown();
  expect(counted).toEqual(real);
}

/** In one statement, so in one snapshot: a concurrent commit shows in both or in neither. */
async function expectRightAmidWriting(): Promise<void> {
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

/** 300 rows in each of the two mailboxes, 100 of each state. */
async function fill(): Promise<void> {
  await db.query(
    `insert into email_ledger (mailbox_id, gmail_message_id, source, state)
     select m.id, 'm' || n, 'history', (array['pending', 'stored', 'gone'])[1 + n % 3]
     from mailboxes m, generate_series(1, 300) n`,
  );
}

test('the counts are right after every kind of change', async () => {
  await fill();
  await expectRight();
  await db.query(`update email_ledger set state = 'stored' where state = 'pending' and id % 2 = 0`);
  await db.query(`update email_ledger set state = 'ignored', ignored_rule = 'spam' where state = 'gone'`);
  await db.query(`update email_ledger set attempt_count = attempt_count + 1`);
  await db.query(
    `insert into email_ledger (mailbox_id, gmail_message_id, source)
     select mailbox_id, gmail_message_id, 'history' from email_ledger where state = 'ignored'
     on conflict (mailbox_id, gmail_message_id) do update set state = 'pending', ignored_rule = null`,
  );
  await db.query(`delete from email_ledger where id % 7 = 0`);
  await expectRight();
  await db.query(`truncate email_ledger`);
  await expectRight();
});

test('a ledger that is truncated while changes are added up counts nothing', async () => {
  await fill();
  await db.query(`update email_ledger set state = 'stored' where state = 'pending'`);
  let emptied: Promise<unknown> = Promise.resolve();
  await db.transaction(async (tx) => {
    await compactLedgerChanges(tx);
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
  await expectRight();
});

test('a change that is rolled back is not counted', async () => {
  await fill();
  const before = await shown();
  await expect(
    db.transaction(async (tx) => {
      await tx.query(`update email_ledger set state = 'dead'`);
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  expect(await shown()).toEqual(before);
  await expectRight();
});

test('an attempt, which changes no state, writes no change', async () => {
  await fill();
  const before = await changeRows();
  await db.query('update email_ledger set attempt_count = 1, claim_token = gen_random_uuid()');
  expect(await changeRows()).toBe(before);
});

test('adding up leaves one row per state and changes no sum, also when two calls run during writes', async () => {
  await fill();
  await db.query(`update email_ledger set state = 'stored' where state = 'pending'`);
  expect(await changeRows()).toBeGreaterThan(200);
  await Promise.all([
    compactLedgerChanges(db),
    db.query(`update email_ledger set state = 'gone' where state = 'stored' and id % 2 = 0`),
    compactLedgerChanges(db),
    expectRightAmidWriting(),
  ]);
  await expectRight();
  await compactLedgerChanges(db);
  await compactLedgerChanges(db);
  await expectRight();
  expect(await changeRows()).toBeLessThan(200);
});

test('the oldest waiting message is found among those that were tried and those that were not', async () => {
  const oldest = async () => (await readMailboxes(db))[0]?.oldest_pending_at?.toISOString() ?? null;
  expect(await oldest()).toBeNull();
  await db.query(
    `insert into email_ledger (mailbox_id, gmail_message_id, source, priority, discovered_at, last_attempt_at)
     select id, 'o' || n, 'history', n % 2, '2026-11-02T00:00:00Z'::timestamptz + n * interval '1 hour',
            case when n = 1 then now() end
     from (select min(id) as id from mailboxes) m, generate_series(1, 5) n`,
  );
  expect(await oldest()).toBe('2026-11-02T01:00:00.000Z');
  await db.query(`update email_ledger set state = 'dead' where gmail_message_id = 'o1'`);
  expect(await oldest()).toBe('2026-11-02T02:00:00.000Z');
  await db.query(`update email_ledger set state = 'dead' where gmail_message_id = 'o2'`);
  expect(await oldest()).toBe('2026-11-02T03:00:00.000Z');
});
