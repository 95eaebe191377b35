/** Runs SQL of docs/operations.md. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { migrate } from '../../shared/db/schema/migrations.ts';
import { createRoles, dropRoles, entryOf, openAs } from '../helpers/database-accounts.ts';
import { storeEmails, workerOf } from '../helpers/email-queue.ts';
import { createTestDatabase } from '../helpers/test-database.ts';

const document = readFileSync(join(import.meta.dirname, '../../docs/operations.md'), 'utf8');

/** The SQL blocks of a section. */
function sqlOf(title: string): string[] {
  const [, section = ''] = new RegExp(`^## ${title}\\n([\\s\\S]*?)^## `, 'm').exec(document) ?? [];
  return [...section.matchAll(/^```sql\n([\s\S]*?)^```/gm)].map(([, sql = '']) => sql);
}

it.each(['extraction', 'archive'])(
  'an email that an operator completes as docs/operations.md says does not return to a new %s',
  async (consumer) => {
    const blocks = sqlOf('Dead orders');
    expect(blocks).toHaveLength(2);
    const db = await createTestDatabase();
    try {
      const [id = 0, other] = await storeEmails(db, 2);
      expect(await workerOf(db, consumer).claim()).toEqual([id]);
      await db.query("update email_queue set state = 'dead' where state = 'claimed'");

      await db.query((blocks[consumer === 'extraction' ? 0 : 1] ?? '').replaceAll('4711', String(id)));
      const { rows } = await db.query('select email_id, state from email_queue');
      expect(rows).toEqual([{ email_id: other, state: 'waiting' }]);
      await db.query('delete from consumers');
      await db.query('delete from email_queue');
      expect(await workerOf(db, consumer).claim(10)).toEqual([other]);
    } finally {
      await db.close();
    }
  },
);

it('the account of a consumer deletes what it has of erased emails as docs/operations.md says', async () => {
  const blocks = sqlOf('Retention');
  expect(blocks).toHaveLength(1);
  const db = await createTestDatabase();
  try {
    await createRoles(db);
    await migrate({ kind: 'url', url: db.url }, [entryOf('consumer')]);
    const consumer = openAs(db, 'consumer');
    try {
      const [erased] = await storeEmails(db, 2);
      await consumer.query(
        `create table extraction.orders (mailbox text, gmail_message_id text, order_number text);
         insert into extraction.orders
         select mailbox, gmail_message_id, id
         from emails_for_processing`,
      );
      await db.query('delete from incoming_emails where id = $1', [erased]);
      await consumer.query(blocks[0] ?? '');
      const { rows } = await consumer.query(
        `select e.id is not null as has_email
         from extraction.orders o
         left join incoming_emails e on e.id::text = o.order_number`,
      );
      expect(rows).toEqual([{ has_email: true }]);
    } finally {
      await consumer.close();
    }
  } finally {
    await dropRoles(db);
    await db.close();
  }
});
