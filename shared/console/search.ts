/**
 * Emails by words: each must begin a word of the sender, the subject or a file's name. A whole Gmail message id finds its
 * email.
 * What must stay true: the time does not hang on how many emails there are, nor on what the planner thinks of a word.
 */
import type { Queryable } from '../db/database.ts';
import { ABOVE_ALL, type PageAsk } from './page-of.ts';

/**
 * Emails that are looked through one by one before the index is asked. A frequent word is found among them, and the
 * index would gather all its emails to sort them; a rare one costs some milliseconds more.
 */
const WALKED_EMAILS = 3_000;

const GMAIL_ID = /^[0-9a-f]{12,20}$/i;

/** Words beyond these narrow nothing down. */
const MOST_WORDS = 16;

// The words of the text as an email's own words are made, each as the beginning of one. What email_words leaves has no
// quote and no backslash, so it needs none of its own.
// $1 text, $2 words at most int
const PATTERN = `
select string_agg('''' || word || ''':*', ' & ') as pattern
from (
  select word
  from unnest(tsvector_to_array(email_words($1::text))) word
  limit $2::integer
) words`;

// $1 ids below int, $2 emails to look through int, $3 pattern text, $4 rows int
const WALK = `
with walked as (
  select id, search_words
  from incoming_emails
  where id < $1::integer
  order by id desc
  limit $2::integer
)
select array(select id from walked where search_words @@ $3::tsquery order by id desc limit $4::integer) as ids,
       (select min(id) from walked) as lowest`;

// Gathered first and sorted then: without the fence the planner may walk the whole table down for a word of which it
// expects many emails and which none has.
// $1 ids below int, $2 pattern text, $3 rows int
const GATHER = `
with found as materialized (
  select id
  from incoming_emails
  where search_words @@ $2::tsquery
)
select id
from found
where id < $1::integer
order by id desc
limit $3::integer`;

/**
 * The highest ids first, at most `ask.limit`.
 *
 * @returns null when the text has no word in it: every email has all of none
 */
export async function findIds(db: Queryable, text: string, ask: PageAsk): Promise<number[] | null> {
  const byGmailId = GMAIL_ID.test(text.trim()) ? await findGmailId(db, text.trim(), ask) : [];
  if (byGmailId.length > 0) return byGmailId;
  const pattern = await readPattern(db, text);
  if (pattern === null) return null;
  const { ids, lowest } = await walk(db, pattern, ask);
  if (ids.length === ask.limit || lowest === null) return ids;
  const { rows } = await db.query<{ id: number }>(GATHER, [lowest, pattern, ask.limit - ids.length]);
  return [...ids, ...rows.map((row) => row.id)];
}

async function walk(
  db: Queryable,
  pattern: string,
  ask: PageAsk,
): Promise<{ readonly ids: number[]; readonly lowest: number | null }> {
  const { rows } = await db.query<{ ids: number[]; lowest: number | null }>(WALK, [
    ask.before ?? ABOVE_ALL,
    WALKED_EMAILS,
    pattern,
    ask.limit,
  ]);
  return rows[0] ?? { ids: [], lowest: null };
}

async function findGmailId(db: Queryable, id: string, ask: PageAsk): Promise<number[]> {
  const { rows } = await db.query<{ id: number }>(
    `select id
     from incoming_emails
     where gmail_message_id = $1::text
       and id < $2::integer
     order by id desc
     limit $3::integer`,
    [id.toLowerCase(), ask.before ?? ABOVE_ALL, ask.limit],
  );
  return rows.map((row) => row.id);
}

async function readPattern(db: Queryable, text: string): Promise<string | null> {
  const { rows } = await db.query<{ pattern: string | null }>(PATTERN, [text, MOST_WORDS]);
  return rows[0]?.pattern ?? null;
}
