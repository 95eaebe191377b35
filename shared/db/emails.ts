/**
 * Stores an email: its row, attachments, raw bytes, search words, ledger state, the counter and, with a topic for stored emails,
 * its outbox row, in one commit.
 * The only writer of `email_raw`. `replace-parsed.ts` changes the parsed columns later.
 */
import type { ParsedAttachment, ParsedEmail } from '../mime/parsed-email.ts';
import { fileObject, rawObject } from '../object-names.ts';
import type { Database, Queryable } from './database.ts';
import { type Lease, leaseLost } from './lease.ts';
import { statement } from './statement.ts';

export interface RawEmail {
  readonly encoding: 'gzip';
  /** Compressed. */
  readonly data: Uint8Array;
  /** Size and hash of the exact bytes that Gmail returned, uncompressed. */
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** The parser's result; the caller may add its own defects. */
export type StorableEmail = Omit<ParsedEmail, 'defects'> & { readonly defects: readonly string[] };

export interface EmailToStore {
  readonly gmailMessageId: string;
  readonly gmailThreadId: string | null;
  readonly labelIds: readonly string[];
  readonly receivedAt: Date;
  readonly email: StorableEmail;
  readonly parserVersion: number;
  readonly raw: RawEmail;
  /** Bytes that are in the bucket. The commit refers to them instead. */
  readonly objects?: ObjectsInBucket;
}

export interface ObjectsInBucket {
  readonly names: ReadonlySet<string>;
  /** Rows of `bucket_objects` that the commit deletes. */
  readonly reservationIds: readonly number[];
}

// One statement, because it is one round trip and one commit. If the ledger row is already final, the statement changes
// nothing; if the email exists, it only resolves the ledger row. The counter is updated last, after the raw bytes and the
// attachments, because every store of every instance waits for its row.
//
// However long the statement takes, it does not block heartbeats, hints or the quota. It reads the lease without a lock,
// and the foreign keys lock the mailbox row only `for key share`. If the holder loses its lease during the statement, it
// stores at most one valid message. The locked ledger row and the unique index prevent a second copy.
//
// $1 mailbox id int, $2 lease token uuid, $3 Gmail message id text, $4 to $8 thread .. parser version, $9 to $23 as
// `parsedValues`, $24 attachment names text, $25 to $28 encoding text, raw bytea, their compressed size int, sha256 text,
// $29 reservations in the bucket bigint[], $30 emails are published boolean, from $31 on ten per attachment.
// Bytes that are null are in the bucket.
// Always one row. is_held false: nothing was changed.
function storeStatement(attachmentCount: number) {
  const rows = Array.from(
    { length: attachmentCount },
    (_, n) => `(${attachmentParameters(31 + n * ATTACHMENT_VALUES)})`,
  );
  return statement(
    `
with lease as materialized (
  select holds_lease($1::integer, $2::uuid) as is_held
),
resolved as (
  update email_ledger l
  set state = 'stored',
      claim_token = null,
      is_crash_suspect = false,
      crash_count = 0,
      error_code = null,
      error_detail = null,
      given_up_at = null,
      resolved_at = now()
  from lease
  where lease.is_held
    and l.mailbox_id = $1::integer
    and l.gmail_message_id = $3::text
    and l.state in ('pending', 'dead')
  returning l.id
),
email as (
  insert into incoming_emails
    (mailbox_id, gmail_message_id, gmail_thread_id, label_ids, received_at, size_bytes, parser_version,
     sender, sender_address, recipients, subject, rfc822_message_id, sent_at, body_text, body_html,
     attachment_count, defects, plain_text, delivered_to, in_reply_to, list_id, auto_submitted)
  select
    $1::integer, $3::text, $4::text, $5::text[], $6::timestamptz, $7::integer, $8::integer,
    $9::text, $10::text, $11::jsonb, $12::text, $13::text, $14::timestamptz, $15::text, $16::text,
    $17::integer, $18::text[], $19::text, $20::text[], $21::text, $22::text, $23::text
  from resolved
  -- The email exists when an operator reset the ledger row: it stays unchanged.
  on conflict (gmail_message_id, mailbox_id) do nothing
  returning id
),
raw as (
  insert into email_raw (email_id, encoding, data, size_bytes, sha256, bucket_object, bucket_bytes)
  select id, $25::text, $26::bytea, $7::integer, $28::text,
         case when $26::bytea is null then 'raw/' || $28::text || '.gz' end,
         case when $26::bytea is null then $27::integer end
  from email
  returning 1
),
reserved as (
  delete from bucket_objects
  where id = any ($29::bigint[])
    and exists (select from raw)
),
search as (
  insert into email_search (email_id, received_at, mailbox_id, search_words)
  select id, $6::timestamptz, $1::integer,
         email_search_words(
           $9::text, $10::text, $12::text, $24::text, $11::jsonb, $19::text, array_to_string($20::text[], ' '))
  from email
  returning 1
)${
      rows.length === 0
        ? ''
        : `,
attachments as (
  insert into email_attachments (email_id, ${ATTACHMENT_COLUMNS}, bucket_object)
  select email.id, attachment.*, case when attachment.file_data is null then 'files/' || attachment.sha256 end
  from email
  cross join (values ${rows.join(', ')}) attachment (${ATTACHMENT_COLUMNS})
  returning 1
)`
    },
counter as (
  update email_monitor_status
  set emails_processed_total = emails_processed_total + 1
  where id = 1
    and (select count(*) from raw) = 1
    and (select count(*) from search) = 1${
      rows.length === 0 ? '' : '\n    and (select count(*) from attachments) = $17::integer'
    }
  returning clock_timestamp() as stored_at
),
-- After the counter: its row lock lasts until the commit, so that the ids follow the order of the commits.
outbox as (
  insert into email_outbox (mailbox_id, email_id)
  select $1::integer, email.id
  from email
  cross join counter
  where $30::boolean
  returning 1
)
select (select is_held from lease) as is_held,
       (select stored_at from counter) as stored_at`,
    { is_held: 'boolean', stored_at: 'timestamp with time zone?' },
  );
}

/**
 * Stores everything or nothing. May run twice: the second time the ledger row is final, and nothing changes.
 *
 * @param isPublished also inserts the outbox row, from which the email is published
 * @returns the database time of the store; null when the email was stored before, or the ledger does not have it
 * @throws {AppError} lease_lost, unstorable, database_unavailable
 */
export async function storeEmail(
  db: Database,
  lease: Lease,
  stored: EmailToStore,
  isPublished = false,
): Promise<Date | null> {
  const { email, objects, raw } = stored;
  const rawData = objects?.names.has(rawObject(raw.sha256)) ? null : raw.data;
  const { rows } = await db.commit(storeStatement(email.attachments.length), [
    lease.mailboxId,
    lease.token,
    stored.gmailMessageId,
    stored.gmailThreadId,
    stored.labelIds,
    stored.receivedAt,
    raw.sizeBytes,
    stored.parserVersion,
    ...parsedValues(email),
    attachmentNames(email),
    raw.encoding,
    rawData,
    raw.data.length,
    raw.sha256,
    objects?.reservationIds ?? [],
    isPublished,
    ...email.attachments.flatMap((one) => attachmentValues(one, objects)),
  ]);
  const row = rows[0];
  if (row?.is_held !== true) throw leaseLost();
  return row.stored_at;
}

const ATTACHMENT_COLUMNS = `part_path, filename, content_type, detected_content_type, content_id, is_inline,
    file_data, file_size_bytes, sha256, parent_part_path`;
/** PostgreSQL takes 65,535 parameters per statement; the parser returns at most 6,000 attachments. */
const ATTACHMENT_VALUES = 10;

/** @param first number of the first parameter */
function attachmentParameters(first: number): string {
  const types = ['text', 'text', 'text', 'text', 'text', 'boolean', 'bytea', 'integer', 'text', 'text'];
  return types.map((type, n) => `$${first + n}::${type}`).join(', ');
}

function attachmentValues(attachment: ParsedAttachment, objects: ObjectsInBucket | undefined): unknown[] {
  return [
    attachment.partPath,
    attachment.filename,
    attachment.contentType,
    attachment.detectedType,
    attachment.contentId,
    attachment.isInline,
    objects?.names.has(fileObject(attachment.sha256)) ? null : attachment.content,
    attachment.sizeBytes,
    attachment.sha256,
    attachment.parentPath,
  ];
}

// Bytes that are null are in the bucket.
// $1 email id int, $2 to $11 as `attachmentValues`
const INSERT_ATTACHMENT = statement(
  `
insert into email_attachments (email_id, ${ATTACHMENT_COLUMNS}, bucket_object)
values ($1::integer, ${attachmentParameters(2)}, case when $8::bytea is null then 'files/' || $10::text end)`,
  {},
  { isRepeatable: false },
);

/** Must be called in the transaction that changes the email. */
export async function insertAttachments(
  tx: Queryable,
  emailId: number,
  attachments: readonly ParsedAttachment[],
  objects?: ObjectsInBucket,
): Promise<void> {
  for (const attachment of attachments)
    await tx.query(INSERT_ATTACHMENT, [emailId, ...attachmentValues(attachment, objects)]);
}

/**
 * Parameters for the parsed columns: sender, sender_address, recipients, subject, rfc822_message_id, sent_at, body_text,
 * body_html, attachment_count, defects, plain_text, delivered_to, in_reply_to, list_id, auto_submitted.
 */
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
    email.plainText,
    email.deliveredTo,
    email.inReplyTo,
    email.listId,
    email.autoSubmitted,
  ];
}

/** For `email_search_words`: one name per line. */
export function attachmentNames(email: StorableEmail): string {
  return email.attachments.map((one) => one.filename).join('\n');
}

/** `Name <address>`, or only the part that the message has. */
function senderLine({ from }: StorableEmail): string | null {
  if (from === null) return null;
  if (from.name && from.address) return `${from.name} <${from.address}>`;
  return from.address ?? from.name;
}
