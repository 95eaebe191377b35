/**
 * The stored email: its row, its attachments, its raw bytes, its ledger state and the counter, in one commit.
 * The only writer of `email_raw`; what the reader gave is replaced by `replace-parsed.ts`.
 */
import type { ParsedAttachment, ParsedEmail } from '../mime/parsed-email.ts';
import { markStored } from './attempts.ts';
import type { Database, Queryable } from './database.ts';
import { assertFence, type Fence } from './lease.ts';

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
 * @returns when, by the clock of the database; null when somebody has stored it before
 * @throws {AppError} lease_lost, unstorable, database_unavailable
 */
export async function storeEmail(db: Database, fence: Fence, stored: EmailToStore): Promise<Date | null> {
  return await db.transaction(async (tx) => {
    await assertFence(tx, fence);
    if (!(await markStored(tx, fence.mailboxId, stored.gmailMessageId))) return null;
    const emailId = await insertEmail(tx, fence.mailboxId, stored);
    // The ledger was set back by hand: it is mended by now, and the email is not touched.
    if (emailId === null) return null;
    await insertAttachments(tx, emailId, stored.email.attachments);
    await tx.query(
      `insert into email_raw (email_id, encoding, data, size_bytes, sha256)
       values ($1::integer, $2::text, $3::bytea, $4::integer, $5::text)`,
      [emailId, stored.raw.encoding, stored.raw.data, stored.raw.sizeBytes, stored.raw.sha256],
    );
    // Last, because every store of every instance waits for this row.
    const { rows } = await tx.query<{ stored_at: Date }>(
      `update email_monitor_status
       set emails_processed_total = emails_processed_total + 1
       where id = 1
       returning clock_timestamp() as stored_at`,
    );
    return rows[0]?.stored_at ?? new Date();
  });
}

async function insertEmail(tx: Queryable, mailboxId: number, stored: EmailToStore): Promise<number | null> {
  const { rows } = await tx.query<{ id: number }>(
    `insert into incoming_emails
       (mailbox_id, gmail_message_id, gmail_thread_id, label_ids, received_at, size_bytes, parser_version,
        sender, sender_address, recipients, subject, rfc822_message_id, sent_at, body_text, body_html,
        attachment_count, defects, attachment_names)
     values
       ($1::integer, $2::text, $3::text, $4::text[], $5::timestamptz, $6::integer, $7::integer,
        $8::text, $9::text, $10::jsonb, $11::text, $12::text, $13::timestamptz, $14::text, $15::text,
        $16::integer, $17::text[], $18::text)
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

/** Inside the transaction that makes or changes the email. */
export async function insertAttachments(
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

/** What the reader gave, in the order sender, sender_address, recipients .. defects, attachment_names. */
export function parsedValues(email: StorableEmail): unknown[] {
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
    email.attachments.map((one) => one.filename).join('\n'),
  ];
}

/** As a person reads it: `Name <address>`, or what there is of it. */
function senderLine({ from }: StorableEmail): string | null {
  if (from === null) return null;
  if (from.name && from.address) return `${from.name} <${from.address}>`;
  return from.address ?? from.name;
}
