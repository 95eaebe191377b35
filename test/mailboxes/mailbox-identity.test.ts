import { afterEach, beforeEach, expect, test } from 'vitest';
import { addMailbox } from '../../shared/mailboxes/mailbox-changes.ts';
import { confirmNewMailbox } from '../../shared/mailboxes/mailbox-confirmations.ts';
import { bindAccount } from '../../shared/mailboxes/mailbox-identity.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await createTestDatabase();
});
afterEach(async () => await db.close());

const SETTINGS = { initialQuery: 'in:inbox', quotaUnitsPerMinute: 6_000 };

async function bind(name: string, fingerprint: string, historyId: string, renamedFrom: string | null = null) {
  const account = { fingerprint, emailAddress: `${name}@example.com`, historyId, settings: null };
  return await bindAccount(db, account, SETTINGS, renamedFrom);
}

async function mailboxes() {
  const { rows } = await db.query(
    'select id, email_address, credential_fingerprint as fingerprint from mailboxes order by id',
  );
  return rows;
}

test('a confirmed rename does not apply to a mailbox that got the former address later', async () => {
  await bind('sales', 'first', '100');
  await bind('orders', 'second', '200', 'sales@example.com');
  await confirmNewMailbox(db, 'sales@example.com', 'third');
  expect(await bind('sales', 'third', '5000')).toMatchObject({ id: 2, change: 'created' });
  expect(await bind('orders', 'fourth', '300')).toMatchObject({ id: 1, change: 'taken_over' });
  expect(await mailboxes()).toEqual([
    { id: 1, email_address: 'orders@example.com', fingerprint: 'fourth' },
    { id: 2, email_address: 'sales@example.com', fingerprint: 'third' },
  ]);
});

test('a confirmation that no account has used does not apply to a mailbox that was created after it', async () => {
  await bind('export', 'first', '100');
  await db.query(
    `insert into mailbox_confirmations (email_address, renamed_from)
     values ('orders@example.com', 'sales@example.com')`,
  );
  await confirmNewMailbox(db, 'sales@example.com', 'second');
  await bind('sales', 'second', '100');
  await expect(bind('orders', 'third', '200')).rejects.toMatchObject({ code: 'account_unconfirmed' });
});

test('a confirmation counts once: the next account with the address needs a new one', async () => {
  await bind('export', 'first', '100');
  await bind('sales', 'second', '500', 'export@example.com');
  // The mailbox is older than the confirmation, so only applied_at shows that it was used.
  await db.query("update mailboxes set email_address = 'export@example.com', cursor_history_id = 500");
  await expect(bind('sales', 'third', '400')).rejects.toMatchObject({ code: 'account_unconfirmed' });
});

test('an account is bound without a deadlock while the end of a run holds the status row', async () => {
  await bind('orders', 'first', '100');
  await db.transaction(async (tx) => {
    await tx.query('select 1 from email_monitor_status where id = 1 for update');
    expect(await bind('sales', 'first', '200')).toMatchObject({ change: 'renamed' });
  });
});

test('two first runs of an added mailbox at the same time bind it once, and neither fails', async () => {
  await bind('orders', 'first', '100');
  const settings = await addMailbox(db, {
    emailAddress: 'ann@example.com',
    access: 'refresh_token',
    label: null,
    initialQuery: null,
  });
  const account = { fingerprint: 'ann', emailAddress: 'ann@example.com', historyId: '200', settings };
  const bound = await Promise.all([bindAccount(db, account, SETTINGS), bindAccount(db, account, SETTINGS)]);
  expect(bound.map(({ id }) => id)).toEqual([2, 2]);
  // The account was renamed, and the instance still has the settings from before it was bound.
  const renamed = { ...account, emailAddress: 'anna@example.com' };
  expect(await bindAccount(db, renamed, SETTINGS)).toMatchObject({ id: 2, change: 'renamed' });
});
