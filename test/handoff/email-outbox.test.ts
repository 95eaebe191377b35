import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { storeEmail } from '../../shared/db/emails.ts';
import type { Lease } from '../../shared/db/lease.ts';
import { deleteFromOutbox, readOutbox } from '../../shared/handoff/email-outbox.ts';
import { addLiveMessages } from '../helpers/leased-mailbox.ts';
import { countsOf, mailboxWithPending, NONE_STORED, storable } from '../helpers/storable-email.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

/** A mailbox with the stored and unpublished emails `a`, `b` and `c`. */
async function mailboxWithThree(): Promise<Lease> {
  const mailbox = await mailboxWithPending(db);
  await addLiveMessages(db, mailbox, 'b', 'c');
  for (const id of ['a', 'b', 'c']) await storeEmail(db, mailbox, await storable(id), true);
  return mailbox;
}

const messageIds = async (mailbox: Lease, limit = 10) =>
  (await readOutbox(db, mailbox, limit)).map((email) => email.gmail_message_id);

test('readOutbox returns the oldest emails of the mailbox first, and no content', async () => {
  const mailbox = await mailboxWithThree();
  await mailboxWithThree();
  expect(await messageIds(mailbox)).toEqual(['a', 'b', 'c']);
  const [first, second, ...more] = await readOutbox(db, mailbox, 2);
  expect([second?.gmail_message_id, more]).toEqual(['b', []]);
  expect(first).toEqual({
    id: expect.any(Number),
    email_id: expect.any(Number),
    mailbox: expect.stringContaining('@'),
    gmail_message_id: 'a',
    has_attachments: true,
  });
});

test('readOutbox returns nothing to an instance that lost the lease', async () => {
  const mailbox = await mailboxWithThree();
  expect(await messageIds({ ...mailbox, token: randomUUID() })).toEqual([]);
});

test('deleteFromOutbox deletes exactly the given rows, and may run twice', async () => {
  const mailbox = await mailboxWithThree();
  const ids = (await readOutbox(db, mailbox, 2)).map(({ id }) => id);
  await deleteFromOutbox(db, ids);
  await deleteFromOutbox(db, ids);
  expect(await messageIds(mailbox)).toEqual(['c']);
});

test('the outbox of one mailbox is read by an index, so that rows of others cost nothing', async () => {
  const plan = await db.transaction(async (tx) => {
    await tx.query('set local enable_seqscan = off');
    await tx.query('set local enable_bitmapscan = off');
    const { rows } = await tx.query<{ 'QUERY PLAN': string }>(
      'explain select id from email_outbox where mailbox_id = 1 order by id limit 1',
    );
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  });
  expect(plan).toContain('Index Cond: (mailbox_id = 1)');
  expect(plan).not.toContain('Sort');
});

test('an erased email leaves the outbox', async () => {
  const mailbox = await mailboxWithThree();
  await db.query("delete from incoming_emails where mailbox_id = $1 and gmail_message_id = 'b'", [
    mailbox.mailboxId,
  ]);
  expect(await messageIds(mailbox)).toEqual(['a', 'c']);
});

test('an email that was stored before gets no second outbox row', async () => {
  const mailbox = await mailboxWithThree();
  await db.query("update email_ledger set state = 'pending' where mailbox_id = $1", [mailbox.mailboxId]);
  await storeEmail(db, mailbox, await storable('a'), true);
  expect(await messageIds(mailbox)).toEqual(['a', 'b', 'c']);
});

test('a store that fails leaves no outbox row', async () => {
  const mailbox = await mailboxWithPending(db);
  const lost = { ...mailbox, token: randomUUID() };
  await expect(storeEmail(db, lost, await storable('a'), true)).rejects.toMatchObject({ code: 'lease_lost' });
  expect([await countsOf(db, mailbox), await messageIds(mailbox)]).toEqual([NONE_STORED, []]);
});

test('a store takes its outbox id only after the lock that the stores wait for, so that ids follow the commits', async () => {
  const mailbox = await mailboxWithThree();
  await addLiveMessages(db, mailbox, 'd');
  const lastId = async () =>
    (await db.query<{ id: string }>("select pg_sequence_last_value('email_outbox_id_seq')::text as id"))
      .rows[0]?.id;
  const before = await lastId();
  let stored: Promise<Date | null> = Promise.resolve(null);
  await db.transaction(async (tx) => {
    await tx.query('update email_monitor_status set updated_at = now() where id = 1');
    stored = storeEmail(db, mailbox, await storable('d'), true);
    await expect
      .poll(async () => {
        const { rowCount } = await db.query(
          "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        );
        return rowCount;
      })
      .toBe(1);
    expect(await lastId()).toBe(before);
  });
  expect(await stored).toBeInstanceOf(Date);
  expect(Number(await lastId())).toBe(Number(before) + 1);
});
