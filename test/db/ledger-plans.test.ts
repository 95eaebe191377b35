/** Plans of the statements that read the ledger: the cost of a full scan would grow with all mail ever received. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import '../../shared/db/claims.ts';
import '../../shared/db/dead-letters.ts';
import '../../shared/db/due-work.ts';
import '../../shared/db/failures.ts';
import '../../shared/db/finish-run.ts';
import { closeListedGaps } from '../../shared/db/incidents.ts';
import '../../shared/db/lease.ts';
import { readFailingMessages, readMailboxes } from '../../shared/db/mailbox-status.ts';
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
  const OF_RUN_AND_STATUS = ['lease_released', 'listing_since', 'with failing as', 'as outcome'];
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
