/** Plans of the statements that each run and each `status` execute: their time must not grow with the queue. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import '../../shared/db/consumer-backlogs.ts';
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
