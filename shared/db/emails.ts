/**
 * The stored email: its row, its attachments, its raw bytes, its ledger state and the counter, in one commit.
 * The only writer of `email_raw`; what the reader gave is replaced by `replace-parsed.ts`.
 */
import type { ParsedAttachment, ParsedEmail } from '../mime/parsed-email.ts';
import type { Database, Queryable } from './database.ts';
import { type Fence, leaseLost } from './lease.ts';
import { prepared, type Statement } from './statement.ts';

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

// One statement, so one round trip and one commit: eight statements took half of the time of a push beyond its floor.
// Whoever finds the ledger row ended, or the email there, changes nothing more. The counter comes last, when raw bytes
// and files are written, because every store of every instance waits for its row.
// $1 mailbox id int, $2 lease token uuid, $3 Gmail message id text, $4 to $8 thread .. parser version, $9 to $19 as
// `parsedValues`, $20 to $22 encoding text, raw bytea, sha256 text, from $23 on nine for each attachment
// One row always; no fence: the lease is lost, and nothing was written.
function storeStatement(attachmentCount: number): Statement {
  const rows = Array.from(
    { length: attachmentCount },
    (_, n) => `(${attachmentParameters(23 + n * ATTACHMENT_VALUES)})`,
  );
  return prepared(`
with fence as materialized (
  select 1
  from mailboxes
  where id = $1::integer
    and lease_token = $2::uuid
    and lease_expires_at > now()
  for share
),
marked as (
  update email_ledger l
  set state = 'stored',
      attempt_open = false,
      error_code = null,
      error_detail = null,
      settled_at = now()
  from fence
  where l.mailbox_id = $1::integer
    and l.gmail_message_id = $3::text
    -- Not as the index of what waits has it: planned while that is empty, this statement would walk through a whole
    -- backlog for each email.
    and l.state || '' = 'pending'
  returning l.id
),
email as (
  insert into incoming_emails
    (mailbox_id, gmail_message_id, gmail_thread_id, label_ids, received_at, size_bytes, parser_version,
     sender, sender_address, recipients, subject, rfc822_message_id, sent_at, body_text, body_html,
     attachment_count, defects, attachment_names)
  select
    $1::integer, $3::text, $4::text, $5::text[], $6::timestamptz, $7::integer, $8::integer,
    $9::text, $10::text, $11::jsonb, $12::text, $13::text, $14::timestamptz, $15::text, $16::text,
    $17::integer, $18::text[], $19::text
  from marked
  -- The ledger was set back by hand: it is mended by now, and the email is not touched.
  on conflict (gmail_message_id, mailbox_id) do nothing
  returning id
),
kept as (
  insert into email_raw (email_id, encoding, data, size_bytes, sha256)
  select id, $20::text, $21::bytea, $7::integer, $22::text
  from email
  returning 1
)${
    rows.length === 0
      ? ''
      : `,
filed as (
  insert into email_attachments (email_id, ${ATTACHMENT_COLUMNS})
  select email.id, file.*
  from email
  cross join (values ${rows.join(', ')}) file
  returning 1
)`
  },
counted as (
  update email_monitor_status
  set emails_processed_total = emails_processed_total + 1
  where id = 1
    and (select count(*) from kept) = 1${
      rows.length === 0 ? '' : '\n    and (select count(*) from filed) = $17::integer'
    }
  returning clock_timestamp() as stored_at
)
select (select count(*) from fence) = 1 as is_ours,
       (select stored_at from counted) as stored_at`);
}

/**
 * All or nothing. May run twice: the second time finds the ledger row ended and changes nothing.
 *
 * @returns when, by the clock of the database; null when somebody has stored it before
 * @throws {AppError} lease_lost, unstorable, database_unavailable
 */
export async function storeEmail(db: Database, fence: Fence, stored: EmailToStore): Promise<Date | null> {
  const { email, raw } = stored;
  const { rows } = await db.commit<{ is_ours: boolean; stored_at: Date | null }>(
    storeStatement(email.attachments.length),
    [
      fence.mailboxId,
      fence.token,
      stored.gmailMessageId,
      stored.gmailThreadId,
      stored.labelIds,
      stored.receivedAt,
      raw.sizeBytes,
      stored.parserVersion,
      ...parsedValues(email),
      raw.encoding,
      raw.data,
      raw.sha256,
      ...email.attachments.flatMap(attachmentValues),
    ],
  );
  const row = rows[0];
  if (row?.is_ours !== true) throw leaseLost();
  return row.stored_at;
}

const ATTACHMENT_COLUMNS = `part_path, filename, content_type, detected_content_type, content_id, is_inline,
    file_data, file_size_bytes, sha256`;
/** PostgreSQL takes 65,535 parameters a statement; the reader finds 6,000 files at most. */
const ATTACHMENT_VALUES = 9;

/** @param first number of its first parameter */
function attachmentParameters(first: number): string {
  const types = ['text', 'text', 'text', 'text', 'text', 'boolean', 'bytea', 'integer', 'text'];
  return types.map((type, n) => `$${first + n}::${type}`).join(', ');
}

function attachmentValues(attachment: ParsedAttachment): unknown[] {
  return [
    attachment.partPath,
    attachment.filename,
    attachment.contentType,
    attachment.detectedType,
    attachment.contentId,
    attachment.isInline,
    attachment.content,
    attachment.sizeBytes,
    attachment.sha256,
  ];
}

/** Inside the transaction that changes the email. */
export async function insertAttachments(
  tx: Queryable,
  emailId: number,
  attachments: readonly ParsedAttachment[],
): Promise<void> {
  for (const attachment of attachments) {
    await tx.query(
      `insert into email_attachments (email_id, ${ATTACHMENT_COLUMNS})
       values ($1::integer, ${attachmentParameters(2)})`,
      [emailId, ...attachmentValues(attachment)],
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
