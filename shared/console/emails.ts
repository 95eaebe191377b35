/** Stored emails as the console lists and shows them. Bodies are read only for the one email that is opened. */
import type { Database, Queryable } from '../db/database.ts';
import { prepared } from '../db/statement.ts';
import type { Email, OpenedEmail } from '../schemas/emails.ts';
import { ABOVE_ALL, type PageAsk, type PageOf, toPage } from './page-of.ts';
import { findIds } from './search.ts';

/**
 * A list shows so many of an email's files at most, its pictures last; `attachment_count` tells them all. A mail may have
 * thousands.
 */
const LISTED_FILES = 50;
/** What a browser lays out at once without a pause. */
const SHOWN_CHARACTERS = 200_000;

const LISTED_COLUMNS = `
  e.id, e.received_at, e.created_at as stored_at, e.sender, e.sender_address, e.subject, e.size_bytes,
  e.attachment_count, e.defects, e.processed, coalesce(a.attachments, '[]') as attachments`;

function filesOf(limit: string): string {
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

// $1 ids below int, $2 rows int, $3 files int
const NEWEST = prepared(`
select ${LISTED_COLUMNS}
from (select * from incoming_emails where id < $1::integer order by id desc limit $2::integer) e
${filesOf('$3::integer')}
order by e.id desc`);

// $1 ids int[], $2 files int
const NAMED = prepared(`
select ${LISTED_COLUMNS}
from incoming_emails e
${filesOf('$2::integer')}
where e.id = any ($1::integer[])
order by e.id desc`);

// $1 id int, $2 characters int
const ONE = `
select ${LISTED_COLUMNS}, e.recipients, e.gmail_message_id, e.rfc822_message_id, e.sent_at,
       left(e.body_text, $2::integer) as body_text,
       coalesce(length(e.body_text) > $2::integer, false) as body_text_truncated,
       e.body_html is not null as has_html
from incoming_emails e
${filesOf('null')}
where e.id = $1::integer`;

/**
 * The newest first.
 *
 * @param text words that an email must have, see `search.ts`; null for every email
 * @returns for words also a page that is not full, or empty, with a next one: so far it was looked through
 */
export async function listEmails(
  db: Database,
  ask: PageAsk,
  text: string | null,
): Promise<PageOf<Email>> {
  const oneMore = { ...ask, limit: ask.limit + 1 };
  const found = text === null ? null : await findIds(db, text, oneMore);
  if (found === null) {
    const { rows } = await db.query<Email>(NEWEST, [
      ask.before ?? ABOVE_ALL,
      oneMore.limit,
      LISTED_FILES,
    ]);
    return toPage(rows, ask.limit);
  }
  // Below the last one, not among those that were read: an email may go away meanwhile.
  const ids = found.ids.slice(0, ask.limit);
  const { rows } = ids.length === 0 ? { rows: [] } : await db.query<Email>(NAMED, [ids, LISTED_FILES]);
  return { rows, nextBefore: found.ids.length > ask.limit ? (ids.at(-1) ?? null) : found.lookedDownTo };
}

/** Null when there is none of this id. */
export async function readEmail(db: Queryable, id: number): Promise<OpenedEmail | null> {
  const { rows } = await db.query<OpenedEmail>(ONE, [id, SHOWN_CHARACTERS]);
  return rows[0] ?? null;
}

/** Null when there is no such email, or it has none. */
export async function readHtml(db: Queryable, id: number): Promise<string | null> {
  const { rows } = await db.query<{ body_html: string | null }>(
    'select body_html from incoming_emails where id = $1::integer',
    [id],
  );
  return rows[0]?.body_html ?? null;
}
