/** The plans of the statements that a poll runs on the ledger: a full scan would grow with all mail ever received. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import '../../shared/db/claims.ts';
import '../../shared/db/dead-letters.ts';
import '../../shared/db/due-work.ts';
import '../../shared/db/failures.ts';
import '../../shared/db/finish-run.ts';
import '../../shared/db/lease.ts';
import { declaredStatements } from '../../shared/db/statement.ts';
import { insertMailbox } from '../helpers/leased-mailbox.ts';
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

test('a full scan of the ledger shows in a plan', async () => {
  expect(await planOf('select 1 from email_ledger where error_detail = $1::text')).toContain(
    'Seq Scan on email_ledger',
  );
});

test.each(onLedger.map(({ text }) => [text.trim().replaceAll(/\s+/g, ' ').slice(0, 70), text]))(
  'no full scan of the ledger is in the plan of: %s',
  async (_, text) => {
    expect(await planOf(text)).not.toContain('Seq Scan on email_ledger');
  },
);

test('untried messages are claimed in the order of their partial index', async () => {
  const claim = onLedger.find(({ text }) => text.includes('newest as materialized'));
  const plan = await planOf(claim?.text ?? '');
  expect(plan.match(/idx_email_ledger_untried/g)).toHaveLength(3);
});
