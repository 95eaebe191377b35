/** Plans of the statements that read the ledger: the cost of a full scan would grow with all mail ever received. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countIgnored } from '../../console/api/ignored-counts.ts';
import '../../console/api/message-actions.ts';
import { findByGmailIds, LISTED_STATES, listMessages } from '../../console/api/message-queries.ts';
import '../../shared/db/claims.ts';
import '../../shared/db/dead-letters.ts';
import '../../shared/db/due-work.ts';
import '../../shared/db/failures.ts';
import '../../shared/db/finish-run.ts';
import { closeListedGaps } from '../../shared/db/incidents.ts';
import '../../shared/db/lease.ts';
import { readMailboxDetails } from '../../shared/control/status/mailbox-details.ts';
import { readFailingMessages, readMailboxes } from '../../shared/control/status/mailbox-status.ts';
import type { Queryable } from '../../shared/db/database.ts';
import '../../shared/db/reconciliation-evaluation.ts';
import { declaredStatements } from '../../shared/db/statement.ts';
import { finishRunOf, insertMailbox, leaseOf } from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
  // Nearly all messages of a mailbox are stored.
  await db.query(
    `insert into email_ledger (mailbox_id, gmail_message_id, source, priority, state, last_attempt_at)
     select $1::integer, 'm' || n, 'history', n % 2,
            case when n % 100 > 3 then 'stored' when n % 100 = 3 then 'dead' else 'pending' end,
            case when n % 100 > 0 then now() end
     from generate_series(1, 20000) n`,
    [await insertMailbox(db)],
  );
  await db.query('analyze email_ledger');
});
afterAll(async () => await db.close());

const onLedger = [...declaredStatements.values()].filter(({ text }) => text.includes('email_ledger'));

async function planOf(text: string): Promise<string> {
  const { rows } = await db.query<{ 'QUERY PLAN': string }>(`explain (generic_plan) ${text}`);
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}

test('explain shows a full scan of the ledger as Seq Scan', async () => {
  expect(await planOf('select 1 from email_ledger where error_detail = $1::text')).toContain(
    'Seq Scan on email_ledger',
  );
});

test.each(onLedger.map(({ text }) => [text.trim().replaceAll(/\s+/g, ' ').slice(0, 70), text]))(
  'the plan has no full scan of the ledger: %s',
  async (_, text) => {
    expect(await planOf(text)).not.toContain('Seq Scan on email_ledger');
  },
);

test('the claim of untried messages uses their partial index three times', async () => {
  const claim = onLedger.find(({ text }) => text.includes('newest as materialized'));
  const plan = await planOf(claim?.text ?? '');
  expect(plan.match(/idx_email_ledger_untried/g)).toHaveLength(3);
});

describe('a large backlog', () => {
  const OF_RUN_AND_STATUS = ['lease_released', 'oldest_pending_at', 'with failing as', 'as outcome'];
  const checked = onLedger.filter(({ text }) => OF_RUN_AND_STATUS.some((part) => text.includes(part)));
  let grown: TestDatabase;
  let mailboxId: number;
  beforeAll(async () => {
    grown = await createTestDatabase();
    mailboxId = await insertMailbox(grown);
    await grown.query(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, priority, state, last_attempt_at)
       select $1::integer, 'm' || n, 'history', n % 2, 'stored', now()
       from generate_series(1, 50000) n`,
      [mailboxId],
    );
    await grown.query(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, priority, last_attempt_at, error_code)
       select $1::integer, 'p' || n, 'backfill', 1,
              case when n <= 2 then now() end, case when n <= 2 then 'gmail_unavailable' end
       from generate_series(1, 5000) n`,
      [mailboxId],
    );
    await grown.query('vacuum analyze email_ledger');
  });
  afterAll(async () => await grown.close());

  test.each(checked.map(({ text }) => [text.trim().replaceAll(/\s+/g, ' ').slice(0, 70), text]))(
    'the plan scans neither the ledger nor the whole backlog: %s',
    async (_, text) => {
      const { rows } = await grown.query<{ 'QUERY PLAN': string }>(`explain (generic_plan) ${text}`);
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      expect(plan).not.toMatch(/Seq Scan on email_ledger|Bitmap Index Scan on idx_email_ledger_pending/);
    },
  );

  // The end of a run counts at most 1,000 pending messages.
  test('status and the end of a run read at most 1,000 pending ledger rows and the failing ones', async () => {
    expect(checked).toHaveLength(OF_RUN_AND_STATUS.length);
    const read = await grown.transaction(async (tx) => {
      await readMailboxes(tx);
      await readMailboxDetails(tx, [mailboxId]);
      expect((await readFailingMessages(tx)).get(mailboxId)).toMatchObject({ failing_count: 2 });
      await closeListedGaps(tx, mailboxId);
      const end = await finishRunOf(tx, leaseOf(mailboxId));
      expect(end).toMatchObject({ pendingTotal: 1_000, failingTotal: 2, liveWaitingSeconds: null });
      const { rows } = await tx.query<{ seq_scan: number; idx_tup_fetch: number }>(
        "select seq_scan, idx_tup_fetch from pg_stat_xact_user_tables where relname = 'email_ledger'",
      );
      return rows[0];
    });
    expect(read?.seq_scan).toBe(0);
    expect(read?.idx_tup_fetch).toBeLessThan(1_020);
  });
});

describe('messages that are not stored', () => {
  let ledger: TestDatabase;
  let mailboxId: number;
  // A large part is ignored by one rule, a large part waits, and few are of any other kind, all of them old.
  beforeAll(async () => {
    ledger = await createTestDatabase();
    mailboxId = await insertMailbox(ledger);
    await ledger.query(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, priority, state, ignored_rule, resolved_at,
         last_attempt_at, error_code)
       select $1::integer, 'm' || n, 'history', 1, k.state,
              case when k.state = 'ignored' then case when n <= 100 then 'spam' else 'sent' end end,
              case when k.state <> 'pending' then now() - (60000 - n) * interval '10 seconds' end,
              case when n <= 50 then now() end, case when n <= 50 then 'gmail_refused' end
       from generate_series(1, 60000) n
       cross join lateral (
         select case when n <= 400 then (array['pending', 'dead', 'ignored', 'gone'])[n % 4 + 1]
                     when n % 3 = 0 then 'stored' when n % 3 = 1 then 'ignored' else 'pending' end as state
       ) k`,
      [mailboxId],
    );
    await ledger.query('vacuum analyze email_ledger');
  });
  afterAll(async () => await ledger.close());

  /** Rows and index entries of the ledger that the query read. */
  async function readBy(query: (tx: Queryable) => Promise<unknown>): Promise<number> {
    return await ledger.transaction(async (tx) => {
      const total = async () =>
        (
          await tx.query<{ count: number }>(
            `select (select seq_tup_read from pg_stat_xact_user_tables where relname = 'email_ledger')::integer
                  + (select sum(coalesce(pg_stat_get_xact_tuples_returned(indexrelid), 0))::integer
                     from pg_index where indrelid = 'email_ledger'::regclass) as count`,
          )
        ).rows[0]?.count ?? 0;
      // PostgreSQL may change to a generic plan after five executions.
      for (let n = 0; n < 6; n += 1) await query(tx);
      // The counters begin before the transaction.
      const before = await total();
      await query(tx);
      return (await total()) - before;
    });
  }
  const page = { beforeId: null, limit: 25 };

  test('the statistics of a transaction show a full scan', async () => {
    expect(
      await readBy((tx) => tx.query("select count(*) from email_ledger where error_detail = 'x'")),
    ).toBeGreaterThanOrEqual(60_000);
  });

  test.each(LISTED_STATES)('a page of %s messages reads few rows of a large ledger', async (state) => {
    expect((await listMessages(ledger, state, null, page)).rows.length).toBeGreaterThan(
      state === 'given_up' ? -1 : 0,
    );
    expect(await readBy((tx) => listMessages(tx, state, null, page))).toBeLessThan(1_000);
  });

  test('a page of a rare rule, a page far down, and a search by id read few rows', async () => {
    expect(await readBy((tx) => listMessages(tx, 'ignored', 'spam', page))).toBeLessThan(1_000);
    expect(
      await readBy((tx) => listMessages(tx, 'ignored', null, { ...page, beforeId: 30_001 })),
    ).toBeLessThan(1_000);
    const ids = Array.from({ length: 500 }, (_, n) => `m${n * 100}`);
    expect(await readBy((tx) => findByGmailIds(tx, ids, mailboxId))).toBeLessThan(3_000);
  });

  test('the counts read about 1,000 entries per rule', async () => {
    expect((await countIgnored(ledger)).ignored[0]).toEqual({ rule: 'sent', count: 1_000, is_capped: true });
    expect(await readBy((tx) => countIgnored(tx))).toBeLessThan(1_500);
  });
});
