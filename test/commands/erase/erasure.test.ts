/** Plans of the statements that erase emails: one that reads all emails would exceed the statement timeout of a large database. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { beginErasure, countErasable, eraseInBatches } from '../../../commands/erase/erasure.ts';
import type { Queryable } from '../../../shared/db/database.ts';
import { declaredStatements, type Statement } from '../../../shared/db/statement.ts';
import { insertMailbox } from '../../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
  await db.query(
    `insert into incoming_emails (mailbox_id, gmail_message_id, received_at, size_bytes, attachment_count, parser_version)
     select $1::integer, 'm' || n, now(), 1, 0, 1
     from generate_series(1, 20000) n`,
    [await insertMailbox(db)],
  );
  await db.query('analyze incoming_emails');
});
afterAll(async () => await db.close());

async function planOf(text: string): Promise<string> {
  const { rows } = await db.query<{ 'QUERY PLAN': string }>(`explain (generic_plan) ${text}`);
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}

test('explain shows a full scan of the emails as Seq Scan', async () => {
  expect(await planOf('select from incoming_emails where subject = $1::text')).toContain(
    'Seq Scan on incoming_emails',
  );
});

const onEmails = [...declaredStatements.values()].filter(({ text }) => text.includes('incoming_emails'));

test.each(onEmails.map(({ text }) => [text.trim().replaceAll(/\s+/g, ' ').slice(0, 70), text]))(
  'the plan has no full scan of the emails: %s',
  async (_, text) => {
    expect(await planOf(text)).not.toContain('Seq Scan on incoming_emails');
  },
);

test('ids that a restore skipped cost no statements', async () => {
  await db.query(
    `insert into incoming_emails
       (id, mailbox_id, gmail_message_id, received_at, size_bytes, attachment_count, parser_version, sender_address)
     overriding system value
     values (100000000, $1::integer, 'later', now(), 1, 0, 1, 'ann@example.com')`,
    [await insertMailbox(db)],
  );
  let statements = 0;
  const counted: Queryable = {
    query: async <Row extends object>(sql: string | Statement<Row>, parameters?: readonly unknown[]) => {
      statements += 1;
      return await db.query(sql, parameters);
    },
  };
  expect(await countErasable(counted, { kind: 'sender', value: 'ann@example.com' })).toMatchObject({
    emailCount: 1,
  });
  // Two per 500 emails, and one at the end.
  expect(statements).toBe(2 * 41 + 1);
});

test('a batch ends after 50 MiB of emails, so that large ones do not exceed the statement timeout', async () => {
  await db.query(
    `insert into incoming_emails
       (mailbox_id, gmail_message_id, received_at, size_bytes, attachment_count, parser_version, sender_address)
     select $1::integer, 'large' || n, now(), 30 * 1048576, 0, 1, 'bob@example.com'
     from generate_series(1, 5) n`,
    [await insertMailbox(db)],
  );
  const selection = { kind: 'sender', value: 'bob@example.com' } as const;
  const counts: number[] = [];
  for await (const count of eraseInBatches(db, await beginErasure(db, selection, 'key'), selection))
    counts.push(count);
  expect(counts.filter((count) => count > 0)).toEqual([2, 2, 1]);
});
