/** An email to store, and queries for what is stored of it. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Database } from '../../shared/db/database.ts';
import type { EmailToStore } from '../../shared/db/emails.ts';
import type { Lease } from '../../shared/db/lease.ts';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { addLiveMessages, leasedMailbox } from './leased-mailbox.ts';

/** From Alice, `Order 1`, with the attachments order.pdf and lines.csv. */
export const RAW_EMAIL = Buffer.from(
  [
    'From: Alice <alice@example.com>',
    'To: Orders <orders@example.net>',
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

export async function storable(gmailMessageId: string): Promise<EmailToStore> {
  return {
    gmailMessageId,
    gmailThreadId: 'thread',
    labelIds: ['INBOX'],
    receivedAt: new Date(1_700_000_000_000),
    email: await parseEmail(RAW_EMAIL),
    parserVersion: 1,
    raw: {
      encoding: 'gzip',
      data: gzipSync(RAW_EMAIL),
      sizeBytes: RAW_EMAIL.length,
      sha256: createHash('sha256').update(RAW_EMAIL).digest('hex'),
    },
  };
}

/** Number of rows of the mailbox, by table. */
export async function countsOf(db: Database, { mailboxId }: Lease) {
  const { rows } = await db.query(
    `select (select count(*)::integer from incoming_emails where mailbox_id = $1) as emails,
            (select count(*)::integer from email_attachments a join incoming_emails e on e.id = a.email_id
             where e.mailbox_id = $1) as attachments,
            (select count(*)::integer from email_raw r join incoming_emails e on e.id = r.email_id
             where e.mailbox_id = $1) as raws,
            (select count(*)::integer from email_search s join incoming_emails e on e.id = s.email_id
             where e.mailbox_id = $1) as searches`,
    [mailboxId],
  );
  return rows[0];
}

export const NONE_STORED = { emails: 0, attachments: 0, raws: 0, searches: 0 };
export const ONE_STORED = { emails: 1, attachments: 2, raws: 1, searches: 1 };

/** `emails_processed_total`, which counts all mailboxes. */
export async function storedTotal(db: Database): Promise<number> {
  const { rows } = await db.query<{ n: number }>(
    'select emails_processed_total as n from email_monitor_status',
  );
  return rows[0]?.n ?? 0;
}

export async function isFoundBy(db: Database, mailbox: Lease, words: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `select 1
     from email_search s
     join incoming_emails e on e.id = s.email_id
     where e.mailbox_id = $1
       and s.search_words @@ plainto_tsquery('simple', $2::text)`,
    [mailbox.mailboxId, words],
  );
  return rowCount === 1;
}

/** Inserts a leased mailbox with the pending message `a`. */
export async function mailboxWithPending(db: Database): Promise<Lease> {
  const lease = await leasedMailbox(db);
  await addLiveMessages(db, lease, 'a');
  return lease;
}
