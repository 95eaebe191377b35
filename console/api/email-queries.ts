/** Stored emails for the console: lists, and one email. Only the one email is read with its body. */
import type { Database, Queryable } from '../../shared/db/database.ts';
import { statement } from '../../shared/db/statement.ts';
import type { Email, OpenedEmail } from '../../shared/schemas/emails.ts';
import { ABOVE_ALL, type PageAsk, type PageOf, toPage } from './pagination.ts';
import { findIds } from './search.ts';

/**
 * A list shows at most this number of attachments per email, inline ones last; `attachment_count` is the whole number. An
 * email may have thousands.
 */
const LISTED_FILES = 50;
/** What a browser lays out without a pause. */
const SHOWN_CHARACTERS = 200_000;

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

function attachmentsOf(limit: string): string {
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
${attachmentsOf('$3::integer')}
order by e.id desc`,
  LISTED,
);

// $1 ids int[], $2 attachments int
const NAMED = statement(
  `
select ${LISTED_COLUMNS}
from incoming_emails e
${attachmentsOf('$2::integer')}
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
       e.body_html is not null as has_html
from incoming_emails e
${attachmentsOf('null')}
where e.id = $1::bigint`,
  {
    ...LISTED,
    recipients: 'jsonb',
    gmail_message_id: 'text',
    rfc822_message_id: 'text?',
    sent_at: 'timestamp with time zone?',
    body_text: 'text?',
    body_text_truncated: 'boolean',
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
 * The newest first.
 *
 * @param text words that an email must have, see `search.ts`; null for every email
 * @returns a search may return a page that is not full, or empty, and still have a next one, because it reads a limited
 *   number of emails
 */
export async function listEmails(db: Database, ask: PageAsk, text: string | null): Promise<PageOf<Email>> {
  const oneMore = { ...ask, limit: ask.limit + 1 };
  const found = text === null ? null : await findIds(db, text, oneMore);
  if (found === null) {
    const { rows } = await db.query(NEWEST, [ask.before ?? ABOVE_ALL, oneMore.limit, LISTED_FILES]);
    return toPage(rows as Email[], ask.limit);
  }
  const ids = found.ids.slice(0, ask.limit);
  const { rows } = ids.length === 0 ? { rows: [] } : await db.query(NAMED, [ids, LISTED_FILES]);
  // The next page begins below the last id that was found, because that email may have been deleted since.
  const nextBefore = found.ids.length > ask.limit ? (ids.at(-1) ?? null) : found.lookedDownTo;
  return { rows: rows as Email[], nextBefore };
}

/** @returns null when there is no such email */
export async function readEmail(db: Queryable, id: number): Promise<OpenedEmail | null> {
  const { rows } = await db.query(ONE, [id, SHOWN_CHARACTERS]);
  return (rows[0] as OpenedEmail | undefined) ?? null;
}

/** @returns null when there is no such email, or it has no HTML body */
export async function readHtml(db: Queryable, id: number): Promise<string | null> {
  const { rows } = await db.query(HTML, [id]);
  return rows[0]?.body_html ?? null;
}
