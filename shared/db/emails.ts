/**
 * The stored email: its row, its attachments, its raw bytes, its ledger state and the counter, in one commit.
 * The only writer of `incoming_emails`, `email_attachments` and `email_raw`.
 */
import type { ParsedAttachment, ParsedEmail } from '../mime/parsed-email.ts';
import type { Database, Queryable } from './database.ts';
import { assertFence, type Fence } from './lease.ts';
import { markStored } from './ledger.ts';

export interface RawEmail {
  readonly encoding: 'gzip';
  /** Compressed. */
  readonly data: Uint8Array;
  /** Of the exact bytes that Gmail gave. */
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** What the reader gave; the defects may also be the store's own. */
export type StorableEmail = Omit<ParsedEmail, 'defects'> & { readonly defects: readonly string[] };

export interface EmailToStore {
  readonly gmailMessageId: string;
  readonly gmailThreadId: string | null;
  readonly labelIds: readonly string[];
  readonly receivedAt: Date;
  readonly email: StorableEmail;
  readonly parserVersion: number;
  readonly raw: RawEmail;
}

/**
 * All or nothing. May run twice: the second time finds the ledger row ended and changes nothing.
 *
 * @returns false when somebody has stored it before
 * @throws {AppError} lease_lost, unstorable, database_unavailable
 */
export async function storeEmail(db: Database, fence: Fence, stored: EmailToStore): Promise<boolean> {
  return await db.transaction(async (tx) => {
    await assertFence(tx, fence);
    if (!(await markStored(tx, fence.mailboxId, stored.gmailMessageId))) return false;
    const emailId = await insertEmail(tx, fence.mailboxId, stored);
    // The ledger was set back by hand: it is mended by now, and the email is not touched.
    if (emailId === null) return false;
    await insertAttachments(tx, emailId, stored.email.attachments);
    await tx.query(
      `insert into email_raw (email_id, encoding, data, size_bytes, sha256)
       values ($1::integer, $2::text, $3::bytea, $4::integer, $5::text)`,
      [emailId, stored.raw.encoding, stored.raw.data, stored.raw.sizeBytes, stored.raw.sha256],
    );
    // Last, because every store of every instance waits for this row.
    await tx.query(
      `update email_monitor_status
       set emails_processed_total = emails_processed_total + 1
       where id = 1`,
    );
    return true;
  });
}

async function insertEmail(tx: Queryable, mailboxId: number, stored: EmailToStore): Promise<number | null> {
  const { rows } = await tx.query<{ id: number }>(
    `insert into incoming_emails
       (mailbox_id, gmail_message_id, gmail_thread_id, label_ids, received_at, size_bytes, parser_version,
        sender, sender_address, recipients, subject, rfc822_message_id, sent_at, body_text, body_html,
        attachment_count, defects)
     values
       ($1::integer, $2::text, $3::text, $4::text[], $5::timestamptz, $6::integer, $7::integer,
        $8::text, $9::text, $10::jsonb, $11::text, $12::text, $13::timestamptz, $14::text, $15::text,
        $16::integer, $17::text[])
     on conflict (gmail_message_id, mailbox_id) do nothing
     returning id`,
    [
      mailboxId,
      stored.gmailMessageId,
      stored.gmailThreadId,
      stored.labelIds,
      stored.receivedAt,
      stored.raw.sizeBytes,
      stored.parserVersion,
      ...parsedValues(stored.email),
    ],
  );
  return rows[0]?.id ?? null;
}

// $1 email id int, $2 parser version int, $3 to $12 the parsed values
// No row: the email is gone, or a newer reader has read it.
const COMPARE = `
select (sender, sender_address, recipients, subject, rfc822_message_id, sent_at, body_text, body_html,
        attachment_count, defects)
       is not distinct from
       ($3::text, $4::text, $5::jsonb, $6::text, $7::text, $8::timestamptz, $9::text, $10::text,
        $11::integer, $12::text[]) as is_same
from incoming_emails
where id = $1::integer
  and parser_version <= $2::integer
for update`;

export type Replaced =
  /** The reader gives what stood there. */
  | 'same'
  | 'changed'
  /** Gone, or read by a newer reader: nothing was done. */
  | 'skipped';

/**
 * Takes the parsed columns and the attachments from another reading of the same bytes. The identity, the raw bytes
 * and `processed` stay, and so does the row (and id) of each attachment whose part, name and bytes are unchanged:
 * later phases refer to it. May run twice.
 *
 * @throws {AppError} unstorable, database_unavailable
 */
export async function replaceParsed(
  db: Database,
  emailId: number,
  email: StorableEmail,
  parserVersion: number,
): Promise<Replaced> {
  return await db.transaction(async (tx) => {
    const values = [emailId, parserVersion, ...parsedValues(email)];
    const { rows } = await tx.query<{ is_same: boolean }>(COMPARE, values);
    if (rows[0] === undefined) return 'skipped';
    const hasSameFiles = await replaceAttachments(tx, emailId, email.attachments);
    const isSame = rows[0].is_same && hasSameFiles;
    await tx.query(
      `update incoming_emails
       set parser_version = $2::integer,
           sender = $3::text,
           sender_address = $4::text,
           recipients = $5::jsonb,
           subject = $6::text,
           rfc822_message_id = $7::text,
           sent_at = $8::timestamptz,
           body_text = $9::text,
           body_html = $10::text,
           attachment_count = $11::integer,
           defects = $12::text[],
           updated_at = case when $13::boolean then updated_at else now() end
       where id = $1::integer`,
      [...values, isSame],
    );
    return isSame ? 'same' : 'changed';
  });
}

/** @returns true when nothing had to be changed */
async function replaceAttachments(
  tx: Queryable,
  emailId: number,
  attachments: readonly ParsedAttachment[],
): Promise<boolean> {
  const { rows } = await tx.query<{ id: number; part_path: string; filename: string; sha256: string }>(
    `select id, part_path, filename, sha256
     from email_attachments
     where email_id = $1::integer`,
    [emailId],
  );
  const idByFile = new Map(rows.map((row) => [fileKey(row.part_path, row.filename, row.sha256), row.id]));
  const idOf = (one: ParsedAttachment) => idByFile.get(fileKey(one.partPath, one.filename, one.sha256));
  const kept = attachments.flatMap((one) => idOf(one) ?? []);
  // First, because a part path stands once in an email.
  const { rowCount: goneCount } = await tx.query(
    `delete from email_attachments
     where email_id = $1::integer
       and not (id = any ($2::integer[]))`,
    [emailId, kept],
  );
  let toldAnewCount = 0;
  for (const one of attachments) {
    const id = idOf(one);
    if (id !== undefined && (await describeAnew(tx, id, one))) toldAnewCount += 1;
  }
  const added = attachments.filter((one) => idOf(one) === undefined);
  await insertAttachments(tx, emailId, added);
  return goneCount + toldAnewCount + added.length === 0;
}

function fileKey(partPath: string, filename: string, sha256: string): string {
  return JSON.stringify([partPath, filename, sha256]);
}

/** What is said about an unchanged file. @returns false when that is unchanged too */
async function describeAnew(tx: Queryable, id: number, one: ParsedAttachment): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update email_attachments
     set content_type = $2::text,
         detected_content_type = $3::text,
         content_id = $4::text,
         is_inline = $5::boolean
     where id = $1::integer
       and (content_type, detected_content_type, content_id, is_inline)
           is distinct from ($2::text, $3::text, $4::text, $5::boolean)`,
    [id, one.contentType, one.detectedType, one.contentId, one.isInline],
  );
  return rowCount > 0;
}

async function insertAttachments(
  tx: Queryable,
  emailId: number,
  attachments: readonly ParsedAttachment[],
): Promise<void> {
  for (const attachment of attachments) {
    await tx.query(
      `insert into email_attachments
         (email_id, part_path, filename, content_type, detected_content_type, content_id, is_inline,
          file_data, file_size_bytes, sha256)
       values
         ($1::integer, $2::text, $3::text, $4::text, $5::text, $6::text, $7::boolean,
          $8::bytea, $9::integer, $10::text)`,
      [
        emailId,
        attachment.partPath,
        attachment.filename,
        attachment.contentType,
        attachment.detectedType,
        attachment.contentId,
        attachment.isInline,
        attachment.content,
        attachment.sizeBytes,
        attachment.sha256,
      ],
    );
  }
}

/** In the order sender .. defects of the statements above. */
function parsedValues(email: StorableEmail): unknown[] {
  return [
    senderLine(email),
    email.from?.address ?? null,
    JSON.stringify({ to: email.to, cc: email.cc, bcc: email.bcc, reply_to: email.replyTo }),
    email.subject,
    email.rfc822MessageId,
    email.sentAt,
    email.bodyText,
    email.bodyHtml,
    email.attachments.length,
    email.defects,
  ];
}

/** As a person reads it: `Name <address>`, or what there is of it. */
function senderLine({ from }: StorableEmail): string | null {
  if (from === null) return null;
  if (from.name && from.address) return `${from.name} <${from.address}>`;
  return from.address ?? from.name;
}
