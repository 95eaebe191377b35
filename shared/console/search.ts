/**
 * Emails by words: each must begin a word of the sender, the subject or a file's name. A whole Gmail message id finds its
 * email.
 * What must stay true: the time does not hang on how many emails there are, nor on what the planner thinks of a word.
 */
import type { Database, Queryable } from '../db/database.ts';
import { prepared } from '../db/statement.ts';
import { textLiteral, timeBoxed } from '../db/time-boxed.ts';
import { ABOVE_ALL, type PageAsk } from './page-of.ts';

/**
 * How far one search goes. Looking through emails one by one, the newest first, costs 0.5 to 1 ms a thousand and ends
 * with a full page; asking the index costs by how many emails have the words, few or a third of them all.
 */
export interface SearchBounds {
  /**
   * Emails in all that are looked through before the index is asked, step by step: on only while those so far promise
   * half a page among the last. A frequent word fills its page among the first.
   */
  readonly walkedFirst: readonly number[];
  /** And in all, where the index has too many to sort. */
  readonly walkedAtMost: number;
  /** Emails of the index that are sorted. */
  readonly mostGathered: number;
  /** The index reads all that it has of each word, for two frequent ones more than a second. Not so long. */
  readonly gatherMs: number;
}

const BOUNDS: SearchBounds = {
  walkedFirst: [200, 1_000, 3_000],
  walkedAtMost: 13_000,
  mostGathered: 2_000,
  gatherMs: 100,
};

const GMAIL_ID = /^[0-9a-f]{12,20}$/i;

/** Words beyond these narrow nothing down. */
const MOST_WORDS = 16;

// The words of the text as an email's own words are made, each as the beginning of one. What email_words leaves has no
// quote and no backslash, so it needs none of its own. Null when there is none.
const ASKED = `
asked as materialized (
  select string_agg('''' || word || ''':*', ' & ')::tsquery as pattern
  from (
    select word
    from unnest(tsvector_to_array(email_words($1::text))) word
    limit ${MOST_WORDS}
  ) words
)`;

// $1 text, $2 ids below int, $3 emails to look through int, $4 rows int
// Walked no further than to a full page, since only a page that is not full asks for the lowest.
const WALK = prepared(`
with ${ASKED},
walked as materialized (
  select id, search_words @@ (select pattern from asked) as is_found
  from incoming_emails
  where id < $2::integer
  order by id desc
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
            then (select min(id) from walked having count(*) = $3::integer) end as lowest`);

// Gathered first and sorted then: without the fence the planner may walk the whole table down for a word of which it
// expects many emails and which none has. No row: there are more than may be gathered. Planned for each pattern: where
// the planner knows of very many emails it reads the table until there are too many, not the index to its end.
function gathering(pattern: string, { before, limit }: PageAsk, mostGathered: number): string {
  return `
with found as materialized (
  select id
  from incoming_emails
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
  /** The highest first, at most as many as were asked for. */
  readonly ids: readonly number[];
  /** There may be more below, only the ids from this one on were looked through; null: as many as were asked for, or all. */
  readonly lookedDownTo: number | null;
}

interface Walked extends Found {
  /** Of the words of the text; null when it has none. */
  readonly pattern: string | null;
}

interface Newest {
  readonly found: Found;
  readonly pattern: string | null;
  readonly walkedCount: number;
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

/** What is still to be found. */
function below({ ids, lookedDownTo }: Found, { limit }: PageAsk): PageAsk {
  return { before: lookedDownTo, limit: limit - ids.length };
}

function followedBy(found: Found, { ids, lookedDownTo }: Found): Found {
  return { ids: [...found.ids, ...ids], lookedDownTo };
}

async function walk(db: Database, text: string, ask: PageAsk, emailCount: number): Promise<Walked> {
  const { rows } = await db.query<{ pattern: string | null; ids: number[]; lowest: number | null }>(WALK, [
    text,
    ask.before ?? ABOVE_ALL,
    emailCount,
    ask.limit,
  ]);
  return {
    ids: rows[0]?.ids ?? [],
    lookedDownTo: rows[0]?.lowest ?? null,
    pattern: rows[0]?.pattern ?? null,
  };
}

/** Null when there are too many, or it takes too long. */
async function gather(
  db: Database,
  pattern: string,
  ask: PageAsk,
  bounds: SearchBounds,
): Promise<Found | null> {
  const statement = gathering(pattern, ask, bounds.mostGathered);
  const rows = await timeBoxed<{ ids: number[] }>(db, bounds.gatherMs, statement);
  const [found] = rows ?? [];
  return found === undefined ? null : { ids: found.ids, lookedDownTo: null };
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
