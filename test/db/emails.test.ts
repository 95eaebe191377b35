import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { storeEmail } from '../../shared/db/emails.ts';
import { leasedMailbox, ledgerRow } from '../helpers/leased-mailbox.ts';
import {
  countsOf,
  isFoundBy,
  mailboxWithPending,
  NONE_STORED,
  ONE_STORED,
  RAW_EMAIL,
  storable,
  storedTotal,
} from '../helpers/storable-email.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

test('a change of processed sets updated_at, and the same value does not', async () => {
  const mailbox = await mailboxWithPending(db);
  await storeEmail(db, mailbox, await storable('a'));
  await db.query("update incoming_emails set updated_at = 'epoch' where mailbox_id = $1", [
    mailbox.mailboxId,
  ]);
  const updatedAfter = async (processed: boolean) => {
    const { rows } = await db.query<{ is_new: boolean }>(
      `update incoming_emails set processed = $2 where mailbox_id = $1
       returning updated_at > now() - interval '1 hour' as is_new`,
      [mailbox.mailboxId, processed],
    );
    return rows[0]?.is_new;
  };
  expect([await updatedAfter(false), await updatedAfter(true)]).toEqual([false, true]);
});

describe('storeEmail', () => {
  test('storeEmail writes email, attachments, raw bytes, search words, ledger state and counter', async () => {
    const mailbox = await mailboxWithPending(db);
    const before = await storedTotal(db);
    expect(await storeEmail(db, mailbox, await storable('a'))).toBeInstanceOf(Date);
    expect(await countsOf(db, mailbox)).toEqual(ONE_STORED);
    expect(await storedTotal(db)).toBe(before + 1);
    const { rows } = await db.query<{ data: Buffer; sha256: string; size_bytes: number }>(
      `select r.data, r.sha256, r.size_bytes
       from email_raw r join incoming_emails e on e.id = r.email_id where e.mailbox_id = $1`,
      [mailbox.mailboxId],
    );
    const [row] = rows;
    expect(gunzipSync(row?.data ?? '')).toEqual(RAW_EMAIL);
    expect(row?.size_bytes).toBe(RAW_EMAIL.length);
    expect(row?.sha256).toBe(createHash('sha256').update(RAW_EMAIL).digest('hex'));
    for (const words of ['alice example', 'order 1', 'lines csv', 'two files', 'orders example net'])
      expect([words, await isFoundBy(db, mailbox, words)]).toEqual([words, true]);
    expect(await isFoundBy(db, mailbox, 'folders')).toBe(false);
  });

  test.each(['pending', 'dead'])(
    'storeEmail resolves a ledger row that was %s and clears its failures',
    async (state) => {
      const mailbox = await mailboxWithPending(db);
      await db.query(
        `update email_ledger
       set state = $2, claim_token = $3, is_crash_suspect = true, crash_count = 2, error_code = 'internal',
           error_detail = 'x', given_up_at = now()
       where mailbox_id = $1`,
        [mailbox.mailboxId, state, mailbox.token],
      );
      expect(await storeEmail(db, mailbox, await storable('a'))).toBeInstanceOf(Date);
      expect(await ledgerRow(db, mailbox, 'a')).toMatchObject({
        state: 'stored',
        claim_token: null,
        is_crash_suspect: false,
        crash_count: 0,
        error_code: null,
        error_detail: null,
        given_up_at: null,
        resolved_at: expect.any(Date),
      });
    },
  );

  test('six concurrent calls store an email once', async () => {
    const mailbox = await mailboxWithPending(db);
    const before = await storedTotal(db);
    const tries = await Promise.all(
      Array.from({ length: 6 }, async () => await storeEmail(db, mailbox, await storable('a'))),
    );
    expect(tries.filter((storedAt) => storedAt !== null)).toHaveLength(1);
    expect(await countsOf(db, mailbox)).toEqual(ONE_STORED);
    expect(await storedTotal(db)).toBe(before + 1);
  });

  test('storeEmail does not change an existing email whose ledger row was reset by hand', async () => {
    const mailbox = await mailboxWithPending(db);
    await storeEmail(db, mailbox, await storable('a'));
    await db.query("update email_ledger set state = 'pending' where mailbox_id = $1", [mailbox.mailboxId]);
    const before = await storedTotal(db);
    expect(await storeEmail(db, mailbox, await storable('a'))).toBeNull();
    expect(await ledgerRow(db, mailbox, 'a')).toMatchObject({ state: 'stored' });
    expect(await countsOf(db, mailbox)).toEqual(ONE_STORED);
    expect(await storedTotal(db)).toBe(before);
  });

  test('storeEmail does nothing for an id that the ledger does not have', async () => {
    const mailbox = await leasedMailbox(db);
    expect(await storeEmail(db, mailbox, await storable('unknown'))).toBeNull();
    expect(await countsOf(db, mailbox)).toEqual(NONE_STORED);
  });

  test('the same message id in two mailboxes is stored as two emails', async () => {
    for (const mailbox of [await mailboxWithPending(db), await mailboxWithPending(db)])
      expect(await storeEmail(db, mailbox, await storable('a'))).toBeInstanceOf(Date);
  });
});

describe('atomicity', () => {
  test.each([
    ['the second attachment', 'email_attachments', "filename <> 'lines.csv'"],
    ['the raw bytes', 'email_raw', 'size_bytes < 0'],
    ['the search words', 'email_search', 'email_id < 0'],
    ['the counter', 'email_monitor_status', 'emails_processed_total < 0'],
  ])('storeEmail stores nothing when it cannot write %s', async (_case, table, rule) => {
    const mailbox = await mailboxWithPending(db);
    const before = await storedTotal(db);
    await db.query(`alter table ${table} add constraint broken check (${rule}) not valid`);
    try {
      await expect(storeEmail(db, mailbox, await storable('a'))).rejects.toMatchObject({
        code: 'unstorable',
      });
    } finally {
      await db.query(`alter table ${table} drop constraint broken`);
    }
    expect(await countsOf(db, mailbox)).toEqual(NONE_STORED);
    expect(await storedTotal(db)).toBe(before);
    expect(await ledgerRow(db, mailbox, 'a')).toMatchObject({ state: 'pending' });
    expect(await storeEmail(db, mailbox, await storable('a'))).toBeInstanceOf(Date);
  });

  test.each([
    ['expired', "lease_expires_at = now() - interval '1 second'"],
    ['replaced', 'lease_token = gen_random_uuid()'],
    ['released', 'lease_token = null, lease_expires_at = null'],
  ])('storeEmail stores nothing when the lease is %s', async (_case, change) => {
    const mailbox = await mailboxWithPending(db);
    await db.query(`update mailboxes set ${change} where id = $1`, [mailbox.mailboxId]);
    await expect(storeEmail(db, mailbox, await storable('a'))).rejects.toMatchObject({ code: 'lease_lost' });
    expect(await countsOf(db, mailbox)).toEqual(NONE_STORED);
    expect(await ledgerRow(db, mailbox, 'a')).toMatchObject({ state: 'pending' });
  });
});
