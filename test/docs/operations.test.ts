/** Runs SQL of docs/operations.md. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { storeEmails, workerOf } from '../helpers/email-queue.ts';
import { createTestDatabase } from '../helpers/test-database.ts';

const document = readFileSync(join(import.meta.dirname, '../../docs/operations.md'), 'utf8');

it.each(['extraction', 'archive'])(
  'an email that an operator completes as docs/operations.md says does not return to a new %s',
  async (consumer) => {
    const [, deadOrders = ''] = /^## Dead orders\n([\s\S]*?)^## /m.exec(document) ?? [];
    const blocks = [...deadOrders.matchAll(/^```sql\n([\s\S]*?)^```/gm)].map(([, sql = '']) => sql);
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
