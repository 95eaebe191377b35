import { afterAll, expect, test } from 'vitest';
import { readMailboxDetails } from '../../../shared/control/status/mailbox-details.ts';
import { insertMailbox } from '../../helpers/leased-mailbox.ts';
import { createTestDatabase } from '../../helpers/test-database.ts';

const db = await createTestDatabase();
afterAll(async () => await db.close());

test('readMailboxDetails finds the oldest pending message, whether it was tried or not', async () => {
  const mailboxId = await insertMailbox(db);
  const oldest = async () =>
    (await readMailboxDetails(db, [mailboxId])).get(mailboxId)?.oldest_pending_at?.toISOString() ?? null;
  expect(await oldest()).toBeNull();
  await db.query(
    `insert into email_ledger (mailbox_id, gmail_message_id, source, priority, discovered_at, last_attempt_at)
     select m.id, 'o' || n, 'history', n % 2, '2026-11-02T00:00:00Z'::timestamptz + n * interval '1 hour',
            case when n = 1 then now() end
     from mailboxes m, generate_series(1, 5) n
     where m.id = $1::integer`,
    [mailboxId],
  );
  expect(await oldest()).toBe('2026-11-02T01:00:00.000Z');
  await db.query(`update email_ledger set state = 'dead' where gmail_message_id = 'o1'`);
  expect(await oldest()).toBe('2026-11-02T02:00:00.000Z');
  await db.query(`update email_ledger set state = 'dead' where gmail_message_id = 'o2'`);
  expect(await oldest()).toBe('2026-11-02T03:00:00.000Z');
});
