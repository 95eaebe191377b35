/**
 * Emails by words: each must begin a word of the sender, the subject or a file's name. A whole Gmail message id finds its
 * email.
 * What must stay true: the time does not hang on how many emails there are, nor on what the planner thinks of a word.
 */
import type { Database, Queryable } from '../db/database.ts';
import { timeBoxed } from '../db/time-boxed.ts';
import { ABOVE_ALL, type PageAsk } from './page-of.ts';

/** How far one search goes. Figures: 1,000,000 emails, two busy cores. */
export interface SearchBounds {
  /**
   * Emails that are looked through one by one before the index is asked, some 4 ms. A frequent word is found among
   * them, and the index would gather all its emails to sort them; a rare one costs so much more.
   */
  readonly walkedFirst: number;
  /** And after it, where the index has too many to sort: some 12 ms. */
  readonly walkedBeyond: number;
  /** Emails of the index that are sorted. */
  readonly mostGathered: number;
  /** The index reads all that it has of each word, for two frequent ones more than a second. Not so long. */
  readonly gatherMs: number;
}

const BOUNDS: SearchBounds = {
  walkedFirst: 3_000,
  walkedBeyond: 10_000,
  mostGathered: 2_000,
  gatherMs: 100,
};

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
       (select min(id) from walked having count(*) = $2::integer) as lowest`;

// Gathered first and sorted then: without the fence the planner may walk the whole table down for a word of which it
// expects many emails and which none has. No row: there are more than may be gathered.
// $1 ids below int, $2 pattern text, $3 rows int, $4 emails to gather at most int
const GATHER = `
with found as materialized (
  select id
  from incoming_emails
  where search_words @@ $2::tsquery
),
gathered as (
  select id
  from found
  limit $4::integer + 1
)
select array(select id from gathered where id < $1::integer order by id desc limit $3::integer) as ids
where (select count(*) from gathered) <= $4::integer`;

export interface Found {
  /** The highest first, at most as many as were asked for. */
  readonly ids: readonly number[];
  /** Not all was looked through, only the ids from this one on; null: there are no more than these. */
  readonly lookedDownTo: number | null;
}

/**
 * Looks through a part where all would take too long: then there are fewer ids than were asked for, perhaps none.
 *
 * @returns null when the text has no word in it: every email has all of none
 */
export async function findIds(
  db: Database,
  text: string,
  ask: PageAsk,
  bounds: SearchBounds = BOUNDS,
): Promise<Found | null> {
  const byGmailId = GMAIL_ID.test(text.trim()) ? await findGmailId(db, text.trim(), ask) : [];
  if (byGmailId.length > 0) return { ids: byGmailId, lookedDownTo: null };
  const pattern = await readPattern(db, text);
  if (pattern === null) return null;
  const newest = await walk(db, pattern, ask, bounds.walkedFirst);
  if (newest.lookedDownTo === null || newest.ids.length === ask.limit) return newest;
  const rest = { before: newest.lookedDownTo, limit: ask.limit - newest.ids.length };
  const older =
    (await gather(db, pattern, rest, bounds)) ?? (await walk(db, pattern, rest, bounds.walkedBeyond));
  return { ...older, ids: [...newest.ids, ...older.ids] };
}

async function walk(db: Database, pattern: string, ask: PageAsk, emailCount: number): Promise<Found> {
  const { rows } = await db.query<{ ids: number[]; lowest: number | null }>(WALK, [
    ask.before ?? ABOVE_ALL,
    emailCount,
    pattern,
    ask.limit,
  ]);
  return { ids: rows[0]?.ids ?? [], lookedDownTo: rows[0]?.lowest ?? null };
}

/** Null when there are too many, or it takes too long. */
async function gather(
  db: Database,
  pattern: string,
  ask: PageAsk,
  bounds: SearchBounds,
): Promise<Found | null> {
  const ids = await timeBoxed(db, bounds.gatherMs, async (tx) => {
    const { rows } = await tx.query<{ ids: number[] }>(GATHER, [
      ask.before ?? ABOVE_ALL,
      pattern,
      ask.limit,
      bounds.mostGathered,
    ]);
    return rows[0]?.ids ?? null;
  });
  return ids === null ? null : { ids, lookedDownTo: null };
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
