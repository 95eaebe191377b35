import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EmailToStore, storeEmail } from '../../shared/db/emails.ts';
import { type Fence, takeLease } from '../../shared/db/lease.ts';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { enterLive, expireLease, fenceOf, leasedMailbox, ledgerRow } from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const RAW = Buffer.from(
  [
    'From: Alice <alice@example.com>',
    'Subject: Order 1',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'Two files.',
    '--b',
    'Content-Type: application/pdf; name=order.pdf',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from('%PDF-1.7 order').toString('base64'),
    '--b',
    'Content-Type: text/csv; name=lines.csv',
    '',
    'sku,count',
    '--b--',
    '',
  ].join('\r\n'),
);

async function email(gmailMessageId: string): Promise<EmailToStore> {
  return {
    gmailMessageId,
    gmailThreadId: 'thread',
    labelIds: ['INBOX'],
    receivedAt: new Date(1_700_000_000_000),
    email: await parseEmail(RAW),
    parserVersion: 1,
    raw: {
      encoding: 'gzip',
      data: gzipSync(RAW),
      sizeBytes: RAW.length,
      sha256: createHash('sha256').update(RAW).digest('hex'),
    },
  };
}

async function countsOf({ mailboxId }: Fence) {
  const { rows } = await db.query(
    `select (select count(*)::integer from incoming_emails where mailbox_id = $1) as emails,
            (select count(*)::integer from email_attachments a join incoming_emails e on e.id = a.email_id
             where e.mailbox_id = $1) as attachments,
            (select count(*)::integer from email_raw r join incoming_emails e on e.id = r.email_id
             where e.mailbox_id = $1) as raws`,
    [mailboxId],
  );
  return rows[0];
}

const NOTHING = { emails: 0, attachments: 0, raws: 0 };

async function total(): Promise<number> {
  const { rows } = await db.query<{ n: number }>(
    'select emails_processed_total as n from email_monitor_status',
  );
  return rows[0]?.n ?? 0;
}

describe('storing', () => {
  test('writes email, attachments, raw bytes, ledger and counter', async () => {
    const fence = await leasedMailbox(db);
    await enterLive(db, fence, 'a');
    const before = await total();
    expect(await storeEmail(db, fence, await email('a'))).toBeInstanceOf(Date);
    expect(await countsOf(fence)).toEqual({ emails: 1, attachments: 2, raws: 1 });
    expect(await total()).toBe(before + 1);
    expect(await ledgerRow(db, fence, 'a')).toMatchObject({ state: 'stored', attempt_open: false });
    const { rows } = await db.query<{
      data: Buffer;
      sha256: string;
      size_bytes: number;
      attachment_count: number;
    }>(
      `select r.data, r.sha256, r.size_bytes, e.attachment_count
       from email_raw r join incoming_emails e on e.id = r.email_id where e.mailbox_id = $1`,
      [fence.mailboxId],
    );
    const [row] = rows;
    expect(gunzipSync(row?.data ?? '')).toEqual(RAW);
    expect(row).toMatchObject({ size_bytes: RAW.length, attachment_count: 2 });
    expect(row?.sha256).toBe(createHash('sha256').update(RAW).digest('hex'));
  });

  test('happens once, whoever tries at the same time', async () => {
    const fence = await leasedMailbox(db);
    await enterLive(db, fence, 'a');
    const before = await total();
    const tries = await Promise.all(
      Array.from({ length: 6 }, async () => await storeEmail(db, fence, await email('a'))),
    );
    expect(tries.filter((storedAt) => storedAt !== null)).toHaveLength(1);
    expect(await countsOf(fence)).toEqual({ emails: 1, attachments: 2, raws: 1 });
    expect(await total()).toBe(before + 1);
  });

  test('leaves an email as it is when its ledger row was set back by hand', async () => {
    const fence = await leasedMailbox(db);
    await enterLive(db, fence, 'a');
    await storeEmail(db, fence, await email('a'));
    await db.query("update email_ledger set state = 'pending' where mailbox_id = $1", [fence.mailboxId]);
    const before = await total();
    expect(await storeEmail(db, fence, await email('a'))).toBeNull();
    expect((await ledgerRow(db, fence, 'a')).state).toBe('stored');
    expect(await countsOf(fence)).toEqual({ emails: 1, attachments: 2, raws: 1 });
    expect(await total()).toBe(before);
  });

  test('of an id that the ledger does not have does nothing', async () => {
    const fence = await leasedMailbox(db);
    expect(await storeEmail(db, fence, await email('unknown'))).toBeNull();
    expect(await countsOf(fence)).toEqual(NOTHING);
  });
});

describe('all or nothing', () => {
  // The last of the two attachments, the raw bytes, and the counter after everything else.
  test.each([
    ['the second attachment', 'email_attachments', "filename <> 'lines.csv'"],
    ['the raw bytes', 'email_raw', 'size_bytes < 0'],
    ['the counter', 'email_monitor_status', 'emails_processed_total < 0'],
  ])('nothing stands when %s cannot be written', async (_case, table, rule) => {
    const fence = await leasedMailbox(db);
    await enterLive(db, fence, 'a');
    const before = await total();
    await db.query(`alter table ${table} add constraint broken check (${rule}) not valid`);
    try {
      await expect(storeEmail(db, fence, await email('a'))).rejects.toMatchObject({ code: 'unstorable' });
    } finally {
      await db.query(`alter table ${table} drop constraint broken`);
    }
    expect(await countsOf(fence)).toEqual(NOTHING);
    expect(await total()).toBe(before);
    expect((await ledgerRow(db, fence, 'a')).state).toBe('pending');
    expect(await storeEmail(db, fence, await email('a'))).toBeInstanceOf(Date);
  });

  test.each(['expired', 'replaced'])('nothing stands when the lease is %s', async (how) => {
    const late = await leasedMailbox(db);
    await enterLive(db, late, 'a');
    await expireLease(db, late);
    if (how === 'replaced')
      await takeLease(db, fenceOf(late.mailboxId), { holder: 'next', trigger: 'schedule' });
    await expect(storeEmail(db, late, await email('a'))).rejects.toMatchObject({ code: 'lease_lost' });
    expect(await countsOf(late)).toEqual(NOTHING);
    expect((await ledgerRow(db, late, 'a')).state).toBe('pending');
  });
});

test('the same message id in two mailboxes is two emails', async () => {
  for (const fence of [await leasedMailbox(db), await leasedMailbox(db)]) {
    await enterLive(db, fence, 'same');
    expect(await storeEmail(db, fence, await email('same'))).toBeInstanceOf(Date);
  }
});
