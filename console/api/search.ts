/**
 * Finds emails by words: each must begin a word of the sender, the subject or an attachment's name. A whole Gmail message id
 * finds its email.
 * Invariant: the time depends neither on the number of emails nor on the planner's estimate for a word.
 */
import type { Database, Queryable } from '../../shared/db/database.ts';
import { statement } from '../../shared/db/statement.ts';
import { ABOVE_ALL, type PageAsk } from './pagination.ts';
import { textLiteral, timeBoxed } from './time-limited-query.ts';

/**
 * Limits of one search. A walk reads emails one by one, the newest first, and ends with a full page. The index costs in
 * proportion to the emails that have the words.
 */
export interface SearchBounds {
  /**
   * Emails in total that the walk reads before the index is used, step by step. It goes on only while the matches so far
   * suggest half a page by the last step: a frequent word fills its page early.
   */
  readonly walkedFirst: readonly number[];
  /** Emails in total that the walk reads when the index has too many matches to sort. */
  readonly walkedAtMost: number;
  /** Matches of the index that are sorted. */
  readonly mostGathered: number;
  /** Time limit for the index: it reads all entries of each word, which takes long for two frequent ones. */
  readonly gatherMs: number;
}

const BOUNDS: SearchBounds = {
  walkedFirst: [200, 1_000, 3_000],
  walkedAtMost: 13_000,
  mostGathered: 2_000,
  gatherMs: 100,
};

const GMAIL_ID = /^[0-9a-f]{12,20}$/i;

/** Further words are ignored: they hardly change the result. */
const MOST_WORDS = 16;

// The words of the text, made as the words of an email, each as a prefix. email_words leaves no quote and no backslash, so
// nothing is escaped. Null when the text has no word.
const ASKED = `
asked as materialized (
  select string_agg('''' || word || ''':*', ' & ')::tsquery as pattern
  from (
    select word
    from unnest(tsvector_to_array(email_words($1::text))) word
    limit ${MOST_WORDS}
  ) words
)`;

// Reads no further than to a full page, because `lowest` counts the emails only when the page is not full.
// $1 text, $2 ids below bigint, $3 emails to read int, $4 rows int
// Always one row; lowest is null when the page is full, or there are no more emails.
const WALK = statement(
  `
with ${ASKED},
walked as materialized (
  select email_id as id, search_words @@ (select pattern from asked) as is_found
  from email_search
  where email_id < $2::bigint
  order by email_id desc
  limit $3::integer
),
found as materialized (
  select id
  from walked
  where is_found
  order by id desc
  limit $4::integer
)
select (select pattern::text from asked) as pattern,
       array(select id from found) as ids,
       case when (select count(*) from found) < $4::integer
            then (select min(id) from walked having count(*) = $3::integer) end as lowest`,
  { pattern: 'text?', ids: 'integer[]', lowest: 'integer?' },
);

// $1 Gmail message id text, $2 ids below bigint, $3 rows int
const BY_GMAIL_ID = statement(
  `
select id
from incoming_emails
where gmail_message_id = $1::text
  and id < $2::bigint
order by id desc
limit $3::integer`,
  { id: 'integer' },
);

// Gathers the matches first and sorts them then: without `materialized` the planner may walk down the whole table for a word
// that it expects in many emails and that none has. The pattern is part of the text, so that the plan is made for it: for a
// very frequent word the planner reads the table until there are too many matches, not the index to its end.
// No row: there are more matches than may be gathered.
function gathering(pattern: string, { before, limit }: PageAsk, mostGathered: number): string {
  return `
with found as materialized (
  select email_id as id
  from email_search
  where search_words @@ ${textLiteral(pattern)}::tsquery
),
gathered as (
  select id
  from found
  limit ${mostGathered + 1}
)
select array(select id from gathered where id < ${before ?? ABOVE_ALL} order by id desc limit ${limit}) as ids
where (select count(*) from gathered) <= ${mostGathered}`;
}

export interface Found {
  /** The highest first, at most `limit`. */
  readonly ids: readonly number[];
  /** The lowest id that was read: there may be more matches below. Null: the page is full, or all emails were read. */
  readonly lookedDownTo: number | null;
}

interface Walked extends Found {
  /** Made from the words of the text; null when it has none. */
  readonly pattern: string | null;
}

interface Newest {
  readonly found: Found;
  readonly pattern: string | null;
  readonly walkedCount: number;
}

/**
 * Reads only a part of the emails where all would take too long: then it returns fewer ids than `limit`, perhaps none.
 *
 * @returns null when the text has no word: it selects every email
 */
export async function findIds(
  db: Database,
  text: string,
  ask: PageAsk,
  bounds: SearchBounds = BOUNDS,
): Promise<Found | null> {
  const byGmailId = GMAIL_ID.test(text.trim()) ? await findGmailId(db, text.trim(), ask) : [];
  if (byGmailId.length > 0) return { ids: byGmailId, lookedDownTo: null };
  const { found, pattern, walkedCount } = await walkNewest(db, text, ask, bounds.walkedFirst);
  if (pattern === null) return null;
  if (found.lookedDownTo === null) return found;
  const rest = below(found, ask);
  const older =
    (await gather(db, pattern, rest, bounds)) ??
    (await walk(db, text, rest, bounds.walkedAtMost - walkedCount));
  return followedBy(found, older);
}

async function walkNewest(
  db: Database,
  text: string,
  ask: PageAsk,
  steps: readonly number[],
): Promise<Newest> {
  const furthest = steps.at(-1) ?? 0;
  let newest: Newest = { found: { ids: [], lookedDownTo: ask.before }, pattern: null, walkedCount: 0 };
  for (const step of steps) {
    const next = await walk(db, text, below(newest.found, ask), step - newest.walkedCount);
    newest = { found: followedBy(newest.found, next), pattern: next.pattern, walkedCount: step };
    const isPromising = newest.found.ids.length * furthest >= (ask.limit / 2) * step;
    if (newest.found.lookedDownTo === null || !isPromising) break;
  }
  return newest;
}

/** The rest of the page. */
function below({ ids, lookedDownTo }: Found, { limit }: PageAsk): PageAsk {
  return { before: lookedDownTo, limit: limit - ids.length };
}

function followedBy(found: Found, { ids, lookedDownTo }: Found): Found {
  return { ids: [...found.ids, ...ids], lookedDownTo };
}

async function walk(db: Database, text: string, ask: PageAsk, emailCount: number): Promise<Walked> {
  const { rows } = await db.query(WALK, [text, ask.before ?? ABOVE_ALL, emailCount, ask.limit]);
  return {
    ids: rows[0]?.ids ?? [],
    lookedDownTo: rows[0]?.lowest ?? null,
    pattern: rows[0]?.pattern ?? null,
  };
}

/** @returns null when there are too many matches, or it takes too long */
async function gather(
  db: Database,
  pattern: string,
  ask: PageAsk,
  bounds: SearchBounds,
): Promise<Found | null> {
  const sql = gathering(pattern, ask, bounds.mostGathered);
  const rows = await timeBoxed<{ ids: number[] }>(db, bounds.gatherMs, sql);
  const [found] = rows ?? [];
  return found === undefined ? null : { ids: found.ids, lookedDownTo: null };
}

async function findGmailId(db: Queryable, id: string, ask: PageAsk): Promise<number[]> {
  const { rows } = await db.query(BY_GMAIL_ID, [id.toLowerCase(), ask.before ?? ABOVE_ALL, ask.limit]);
  return rows.map((row) => row.id);
}
