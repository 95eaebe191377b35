/** Stored emails for the console: the list, search results, and a single email. Only the single email is read with its body. */
import type { Database, Queryable } from '../../shared/db/database.ts';
import { statement } from '../../shared/db/statement.ts';
import type { Email, OpenedEmail } from '../../shared/schemas/emails.ts';
import { findEmailIds } from './email-search.ts';
import { MAX_ID, type PageRequest, type ResultPage, toPage } from './pagination.ts';

/**
 * A list returns at most this number of attachments per email, because an email may have thousands. Inline attachments come
 * last, and `attachment_count` is the total.
 */
const MAX_LISTED_ATTACHMENTS = 50;
/** A browser lays out this much text without a noticeable delay. */
const MAX_BODY_CHARACTERS = 200_000;

const LISTED_COLUMNS = `
  e.id, e.received_at, e.created_at as stored_at, e.sender, e.sender_address, e.subject, e.size_bytes,
  e.attachment_count, e.defects, e.processed, coalesce(a.attachments, '[]') as attachments`;

const LISTED = {
  id: 'integer',
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

function joinAttachments(limit: string): string {
  return `
left join lateral (
  select jsonb_agg(jsonb_build_object(
           'id', f.id, 'filename', f.filename, 'content_type', f.content_type,
           'file_size_bytes', f.file_size_bytes, 'is_inline', f.is_inline) order by f.id) as attachments
  from (
    select id, filename, content_type, file_size_bytes, is_inline
    from email_attachments
    where email_id = e.id
    order by is_inline, id
    limit ${limit}
  ) f
) a on e.attachment_count > 0`;
}

// $1 ids below bigint, $2 rows int, $3 attachments int
const NEWEST = statement(
  `
select ${LISTED_COLUMNS}
from (select * from incoming_emails where id < $1::bigint order by id desc limit $2::integer) e
${joinAttachments('$3::integer')}
order by e.id desc`,
  LISTED,
);

// $1 ids int[], $2 attachments int
const BY_IDS = statement(
  `
select ${LISTED_COLUMNS}
from incoming_emails e
${joinAttachments('$2::integer')}
where e.id = any ($1::integer[])
order by e.id desc`,
  LISTED,
);

// $1 id bigint, $2 characters int
const ONE = statement(
  `
select ${LISTED_COLUMNS}, e.recipients, e.gmail_message_id, e.rfc822_message_id, e.sent_at,
       left(e.body_text, $2::integer) as body_text,
       coalesce(length(e.body_text) > $2::integer, false) as body_text_truncated,
       left(e.plain_text, $2::integer) as plain_text,
       coalesce(length(e.plain_text) > $2::integer, false) as plain_text_truncated,
       e.delivered_to, e.in_reply_to, e.list_id, e.auto_submitted,
       e.body_html is not null as has_html
from incoming_emails e
${joinAttachments('null')}
where e.id = $1::bigint`,
  {
    ...LISTED,
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

/**
 * A page of emails, the newest first.
 *
 * @param text words that an email must have, see `email-search.ts`; null lists every email
 * @returns a page. One call of a search reads a limited number of emails, so its page may be short or empty although there
 *   is a next one
 */
export async function listEmails(
  db: Database,
  request: PageRequest,
  text: string | null,
): Promise<ResultPage<Email>> {
  // One row more than the page shows whether there is a next page.
  const oneMore = { ...request, limit: request.limit + 1 };
  const found = text === null ? null : await findEmailIds(db, text, oneMore);
  if (found === null) {
    const { rows } = await db.query(NEWEST, [
      request.beforeId ?? MAX_ID,
      oneMore.limit,
      MAX_LISTED_ATTACHMENTS,
    ]);
    return toPage(rows as Email[], request.limit);
  }
  const ids = found.ids.slice(0, request.limit);
  const { rows } = ids.length === 0 ? { rows: [] } : await db.query(BY_IDS, [ids, MAX_LISTED_ATTACHMENTS]);
  // Not the id of the last row: that email may have been deleted since the search found it.
  const nextBeforeId = found.ids.length > request.limit ? (ids.at(-1) ?? null) : found.scannedDownTo;
  return { rows: rows as Email[], nextBeforeId };
}

/** @returns null when the email does not exist */
export async function readEmail(db: Queryable, id: number): Promise<OpenedEmail | null> {
  const { rows } = await db.query(ONE, [id, MAX_BODY_CHARACTERS]);
  return (rows[0] as OpenedEmail | undefined) ?? null;
}

/** @returns null when the email does not exist or has no HTML body */
export async function readHtml(db: Queryable, id: number): Promise<string | null> {
  const { rows } = await db.query(HTML, [id]);
  return rows[0]?.body_html ?? null;
}
