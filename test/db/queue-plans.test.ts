/** Plans of claims, and of the statements that each run and each `status` execute: their time must not grow with the queue. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import '../../shared/control/status/consumer-backlogs.ts';
import '../../shared/db/finish-run.ts';
import { declaredStatements } from '../../shared/db/statement.ts';
import { storeEmails } from '../helpers/email-queue.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
  await storeEmails(db, 1);
  // The trigger of incoming_emails queues them.
  await db.query("insert into consumers (name) values ('archive'), ('extraction')");
  await db.query(
    `insert into incoming_emails (mailbox_id, gmail_message_id, received_at, size_bytes, attachment_count, parser_version)
     select mailbox_id, 'copy-' || n, received_at, 1, 0, 1
     from incoming_emails, generate_series(1, 10000) n`,
  );
  await db.query('vacuum analyze email_queue');
});
afterAll(async () => await db.close());

const onQueue = [...declaredStatements.values()].filter(({ text }) =>
  /email_queue|consumer_backlogs/.test(text),
);

test.each(onQueue.map(({ text }) => [text.trim().replaceAll(/\s+/g, ' ').slice(0, 70), text]))(
  'the plan has no full scan of the queue: %s',
  async (_, text) => {
    expect(onQueue).toHaveLength(2);
    const { rows } = await db.query<{ 'QUERY PLAN': string }>(`explain (generic_plan) ${text}`);
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('idx_email_queue_age on email_queue');
    expect(plan).toContain('idx_email_queue_dead on email_queue');
    expect(plan).not.toContain('Seq Scan on email_queue');
  },
);

test.each([
  ['waiting for their retry', "failure_count = 1, due_at = now() + interval '1 hour'"],
  ['claimed', "state = 'claimed', worker = 'a', due_at = now() + interval '1 hour'"],
  ['dead', "state = 'dead', failure_count = 5"],
])('a claim reads few pages although 10,000 emails with lower ids are %s', async (_, change) => {
  await db.query(`update email_queue set ${change} where consumer = 'archive' and email_id < 9990`);
  await db.query('vacuum analyze email_queue');
  // The first calls prepare the consumer and the plans.
  for (let n = 0; n < 2; n += 1) await db.query("select id from claim_emails('archive', 'a')");
  const { rows } = await db.query<{ 'QUERY PLAN': string }>(
    "explain (analyze, costs off, timing off, summary off) select id from claim_emails('archive', 'a')",
  );
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  const pages = Number(/shared hit=(\d+)/.exec(plan)?.[1]);
  expect(pages).toBeGreaterThan(0);
  expect(pages).toBeLessThan(200);
  await db.query("update email_queue set state = 'waiting', failure_count = 0, worker = null");
});
