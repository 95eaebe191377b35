/** Stored emails for the console: the list, search results, and a single email. Only the single email is read with its body. */
import { openBucket } from '../../shared/bucket/bucket.ts';
import { readObject, requireBucket } from '../../shared/bucket/read-object.ts';
import type { AppContext } from '../../shared/control/app-context.ts';
import type { Database, Queryable } from '../../shared/db/database.ts';
import { sqlStateOf } from '../../shared/db/pg-error.ts';
import { statement } from '../../shared/db/statement.ts';
import { AppError } from '../../shared/errors.ts';
import type { Email, OpenedEmail } from '../../shared/schemas/emails.ts';
import type { EmailCursor, EmailListRequest } from './email-list-parameters.ts';
import { findEmails } from './email-search.ts';
import { previewKind } from './preview-types.ts';
import { referencedContentIds, sanitizeHtml } from './sanitize-html.ts';

/**
 * A list returns at most this number of attachments per email, because an email may have thousands. Inline attachments come
 * last, and `attachment_count` is the total.
 */
const MAX_LISTED_ATTACHMENTS = 50;
/** SQLSTATE. Only in a database with another encoding than UTF-8. */
const UNTRANSLATABLE = '22P05';
/** Of the sender and of the subject in a list. A header may have 262,143, and 100 of them exceed what Cloud Run sends. */
const MAX_LISTED_CHARACTERS = 1_000;
/** A browser lays out this much text without a noticeable delay. */
const MAX_BODY_CHARACTERS = 200_000;

const LISTED_COLUMNS = `
  e.id, (select m.email_address from mailboxes m where m.id = e.mailbox_id) as mailbox,
  e.received_at, e.created_at as stored_at, e.sender_address, e.size_bytes,
  e.attachment_count, e.defects, e.processed, coalesce(a.attachments, '[]') as attachments`;

const LISTED = {
  id: 'integer',
  mailbox: 'text',
  received_at: 'timestamp with time zone',
  stored_at: 'timestamp with time zone',
  sender: 'text?',
  sender_address: 'text?',
  subject: 'text?',
  size_bytes: 'integer',
  attachment_count: 'integer',
  defects: 'text[]',
  processed: 'boolean',
  attachments: 'jsonb',
} as const;

// $1 ids int[], $2 attachments int, $3 characters int
const BY_IDS = statement(
  `
select ${LISTED_COLUMNS}, left(e.sender, $3::integer) as sender, left(e.subject, $3::integer) as subject
from incoming_emails e
left join lateral (
  select jsonb_agg(jsonb_build_object(
           'id', f.id, 'filename', f.filename, 'content_type', f.content_type,
           'file_size_bytes', f.file_size_bytes, 'is_inline', f.is_inline) order by f.id) as attachments
  from (
    select id, filename, content_type, file_size_bytes, is_inline
    from email_attachments
    where email_id = e.id
    order by is_inline, id
    limit $2::integer
  ) f
) a on e.attachment_count > 0
where e.id = any ($1::integer[])
order by e.received_at desc, e.id desc`,
  LISTED,
);

// $1 id bigint, $2 characters int
const ONE = statement(
  `
select ${LISTED_COLUMNS}, e.sender, e.subject, e.updated_at, e.recipients, e.gmail_message_id, e.rfc822_message_id, e.sent_at,
       left(e.body_text, $2::integer) as body_text,
       coalesce(length(e.body_text) > $2::integer, false) as body_text_truncated,
       left(e.plain_text, $2::integer) as plain_text,
       coalesce(length(e.plain_text) > $2::integer, false) as plain_text_truncated,
       e.delivered_to, e.in_reply_to, e.list_id, e.auto_submitted,
       e.body_html is not null as has_html,
       l.source, l.discovered_at, l.attempt_count, l.last_attempt_at
from incoming_emails e
left join email_ledger l on l.mailbox_id = e.mailbox_id and l.gmail_message_id = e.gmail_message_id
left join lateral (
  select jsonb_agg(jsonb_build_object(
           'id', f.id, 'filename', f.filename, 'content_type', f.content_type,
           'detected_content_type', f.detected_content_type,
           'file_size_bytes', f.file_size_bytes, 'is_inline', f.is_inline) order by f.id) as attachments
  from email_attachments f
  where f.email_id = e.id
) a on e.attachment_count > 0
where e.id = $1::bigint`,
  {
    ...LISTED,
    updated_at: 'timestamp with time zone',
    recipients: 'jsonb',
    gmail_message_id: 'text',
    rfc822_message_id: 'text?',
    sent_at: 'timestamp with time zone?',
    body_text: 'text?',
    body_text_truncated: 'boolean',
    plain_text: 'text?',
    plain_text_truncated: 'boolean',
    delivered_to: 'text[]',
    in_reply_to: 'text?',
    list_id: 'text?',
    auto_submitted: 'text?',
    has_html: 'boolean',
    source: 'text?',
    discovered_at: 'timestamp with time zone?',
    attempt_count: 'integer?',
    last_attempt_at: 'timestamp with time zone?',
  },
);

// $1 id bigint
const HTML = statement(
  `
select body_html
from incoming_emails
where id = $1::bigint`,
  { body_html: 'text?' },
);

/** All images of one email together. A response of Cloud Run is limited to 32 MiB, and base64 adds a third. */
const MAX_IMAGE_BYTES = 8 * 1_048_576;

// Senders change the case of an id between the HTML and the attachment.
// $1 email id bigint, $2 content ids in lower case text[], $3 bytes int
const IMAGES = statement(
  `
select lower(btrim(content_id, '<>')) as content_id, detected_content_type, file_data, bucket_object, file_size_bytes, sha256
from (
  select content_id, detected_content_type, file_data, bucket_object, file_size_bytes, sha256,
         sum(file_size_bytes) over (order by id) as sum_bytes
  from email_attachments
  where email_id = $1::bigint
    and lower(btrim(content_id, '<>')) = any ($2::text[])
    and detected_content_type in ('image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/bmp')
) images
where sum_bytes <= $3::integer`,
  {
    content_id: 'text?',
    detected_content_type: 'text?',
    file_data: 'bytea?',
    bucket_object: 'text?',
    file_size_bytes: 'integer',
    sha256: 'text',
  },
);

export interface EmailListPage {
  readonly rows: Email[];
  /** `before` of the next page; null at the end. */
  readonly nextBefore: EmailCursor | null;
}

/**
 * A page of emails of all mailboxes, the last received first.
 *
 * @returns a page. One call reads a limited number of emails, so with words or filters its page may be short or empty although
 *   there is a next one
 * @throws {AppError} bad_request when the encoding of the database lacks a character of the search
 */
export async function listEmails(db: Database, request: EmailListRequest): Promise<EmailListPage> {
  const { limit } = request;
  // One row more than the page shows whether there is a next page.
  const { found, scannedDownTo } = await findEmails(db, { ...request, limit: limit + 1 }).catch(
    throwUnsearchable,
  );
  const shown = found.slice(0, limit);
  const ids = shown.map((cursor) => Number(cursor.split('.')[1]));
  const { rows } =
    ids.length === 0
      ? { rows: [] }
      : await db.query(BY_IDS, [ids, MAX_LISTED_ATTACHMENTS, MAX_LISTED_CHARACTERS]);
  // Not the position of the last row: that email may have been deleted since the search found it.
  const nextBefore = found.length > limit ? (shown.at(-1) ?? null) : scannedDownTo;
  return { rows: rows as Email[], nextBefore };
}

function throwUnsearchable(error: unknown): never {
  if (sqlStateOf(error) !== UNTRANSLATABLE) throw error;
  throw new AppError(
    'bad_request',
    'The encoding of the database lacks a character of the search, so no stored email has it. Search other words.',
  );
}

/** @returns null when the email does not exist */
export async function readEmail(db: Queryable, id: number): Promise<Omit<OpenedEmail, 'processing'> | null> {
  const { rows } = await db.query(ONE, [id, MAX_BODY_CHARACTERS]);
  const row = rows[0];
  if (row === undefined) return null;
  const { attempt_count, discovered_at, last_attempt_at, source, ...email } = row;
  const discovery = discovered_at === null ? null : { source, discovered_at, attempt_count, last_attempt_at };
  const files = email.attachments as (Email['attachments'][number] & {
    detected_content_type: string | null;
  })[];
  const attachments = files.map(({ detected_content_type: type, ...file }) => ({
    ...file,
    preview: previewKind(type),
  }));
  return { ...email, attachments, discovery } as Omit<OpenedEmail, 'processing'>;
}

/**
 * The HTML of an email without anything that the browser could load or run, with its images inside.
 *
 * @returns null when the email does not exist or has no HTML body
 * @throws {AppError} bucket_object_missing, bucket_unavailable, bucket_denied, bucket_not_set
 */
export async function readHtml(
  { config, db }: Pick<AppContext, 'config' | 'db'>,
  id: number,
): Promise<string | null> {
  const { rows } = await db.query(HTML, [id]);
  const html = rows[0]?.body_html ?? null;
  if (html === null) return null;
  const contentIds = referencedContentIds(html);
  const images =
    contentIds.length === 0 ? [] : (await db.query(IMAGES, [id, contentIds, MAX_IMAGE_BYTES])).rows;
  const urls = new Map<string, string>();
  for (const { bucket_object: name, content_id, detected_content_type, file_data, ...file } of images) {
    const expected = { sizeBytes: file.file_size_bytes, sha256: file.sha256 };
    const bytes =
      file_data ??
      (name === null ? null : await readObject(requireBucket(openBucket(config)), name, expected));
    if (bytes !== null)
      urls.set(content_id ?? '', `data:${detected_content_type};base64,${bytes.toString('base64')}`);
  }
  return sanitizeHtml(html, urls);
}
