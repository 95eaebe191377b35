/**
 * Finds emails by words. Each word must be the prefix of a word in the sender, the recipients, the subject, an
 * attachment name or the plain text. A complete Gmail message id finds its email.
 * Invariant: the time of a search depends neither on the number of emails nor on the planner's estimate for a word.
 */
import type { Database, Queryable } from '../../shared/db/database.ts';
import { statement } from '../../shared/db/statement.ts';
import { MAX_ID, type PageRequest } from './pagination.ts';
import { queryWithTimeout } from './time-limited-query.ts';

/**
 * Limits of one search. A scan reads emails one by one, the newest first, and ends when the page is full. The cost of the
 * index grows with the number of emails that have the words.
 */
export interface SearchLimits {
  /**
   * Total of scanned emails after each step of the initial scan, before the index is used. The next step runs only while the
   * matches so far suggest half a page by the last step, because a frequent word fills its page early.
   */
  readonly initialScanSteps: readonly number[];
  /** Total of scanned emails when the index has too many matches to sort. */
  readonly maxScannedEmails: number;
  /** Matches of the index that are sorted. */
  readonly maxIndexMatches: number;
  /** The index reads all entries of each word, which takes long for two frequent words. */
  readonly indexTimeoutMs: number;
}

const LIMITS: SearchLimits = {
  initialScanSteps: [200, 1_000, 3_000],
  maxScannedEmails: 13_000,
  maxIndexMatches: 2_000,
  indexTimeoutMs: 100,
};

const GMAIL_ID = /^[0-9a-f]{12,20}$/i;

/** Further words are ignored: they hardly change the result. */
const MAX_WORDS = 16;

// Splits the text into words as the words of an email are split, each as a prefix. email_words leaves no quote and no
// backslash, so nothing needs escaping. `pattern` is null when the text has no word.
const PARSED_QUERY = `
parsed_query as materialized (
  select string_agg('''' || word || ''':*', ' & ')::tsquery as pattern
  from (
    select word
    from unnest(tsvector_to_array(email_words($1::text))) word
    limit ${MAX_WORDS}
  ) words
)`;

// Stops at a full page, because `lowest` is computed only when the page is not full.
// $1 text, $2 ids below bigint, $3 emails to scan int, $4 rows int
// Always one row; lowest is null when the page is full, or no emails are left.
const SCAN = statement(
  `
with ${PARSED_QUERY},
scanned as materialized (
  select email_id as id, search_words @@ (select pattern from parsed_query) as is_match
  from email_search
  where email_id < $2::bigint
  order by email_id desc
  limit $3::integer
),
matches as materialized (
  select id
  from scanned
  where is_match
  order by id desc
  limit $4::integer
)
select (select pattern::text from parsed_query) as pattern,
       array(select id from matches) as ids,
       case when (select count(*) from matches) < $4::integer
            then (select min(id) from scanned having count(*) = $3::integer) end as lowest`,
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

// Collects the matches first and sorts them afterwards. Without `materialized` the planner may scan the whole table in order
// for a word that it expects in many emails and that no email has. For a very frequent word the planner scans the table until
// there are too many matches, instead of reading the index to its end.
// $1 pattern text, $2 ids below bigint, $3 rows int, $4 matches int
// No row: the index has more than $4 matches.
const INDEX_QUERY = `
with matches as materialized (
  select email_id as id
  from email_search
  where search_words @@ $1::tsquery
),
limited as (
  select id
  from matches
  limit $4::integer + 1
)
select array(select id from limited where id < $2::bigint order by id desc limit $3::integer) as ids
where (select count(*) from limited) <= $4::integer`;

export interface SearchResult {
  /** The highest first, at most `limit`. */
  readonly ids: readonly number[];
  /** The lowest id that was scanned: there may be more matches below. Null: the page is full, or no emails are left. */
  readonly scannedDownTo: number | null;
}

interface NewestFirstScan extends SearchResult {
  /** The parsed query; null when the text has no word. */
  readonly pattern: string | null;
}

interface InitialScan {
  readonly result: SearchResult;
  readonly pattern: string | null;
  readonly scannedCount: number;
}

/**
 * One page of matching email ids. When searching all emails would take too long, only a part is searched: the result then
 * has fewer ids than `limit`, perhaps none.
 *
 * @returns null when the text has no word: it matches every email
 */
export async function findEmailIds(
  db: Database,
  text: string,
  request: PageRequest,
  limits: SearchLimits = LIMITS,
): Promise<SearchResult | null> {
  const byGmailId = GMAIL_ID.test(text.trim()) ? await findByGmailId(db, text.trim(), request) : [];
  if (byGmailId.length > 0) return { ids: byGmailId, scannedDownTo: null };
  const { pattern, result, scannedCount } = await scanNewest(db, text, request, limits.initialScanSteps);
  if (pattern === null) return null;
  if (result.scannedDownTo === null) return result;
  const rest = restOfPage(result, request);
  const older =
    (await searchIndex(db, pattern, rest, limits)) ??
    (await scan(db, text, rest, limits.maxScannedEmails - scannedCount));
  return append(result, older);
}

async function scanNewest(
  db: Database,
  text: string,
  request: PageRequest,
  steps: readonly number[],
): Promise<InitialScan> {
  const lastStep = steps.at(-1) ?? 0;
  let newest: InitialScan = {
    result: { ids: [], scannedDownTo: request.beforeId },
    pattern: null,
    scannedCount: 0,
  };
  for (const step of steps) {
    const next = await scan(db, text, restOfPage(newest.result, request), step - newest.scannedCount);
    newest = { result: append(newest.result, next), pattern: next.pattern, scannedCount: step };
    const isPromising = newest.result.ids.length * lastStep >= (request.limit / 2) * step;
    if (newest.result.scannedDownTo === null || !isPromising) break;
  }
  return newest;
}

function restOfPage({ ids, scannedDownTo }: SearchResult, { limit }: PageRequest): PageRequest {
  return { beforeId: scannedDownTo, limit: limit - ids.length };
}

function append(result: SearchResult, { ids, scannedDownTo }: SearchResult): SearchResult {
  return { ids: [...result.ids, ...ids], scannedDownTo };
}

async function scan(
  db: Database,
  text: string,
  request: PageRequest,
  emailCount: number,
): Promise<NewestFirstScan> {
  const { rows } = await db.query(SCAN, [text, request.beforeId ?? MAX_ID, emailCount, request.limit]);
  return {
    ids: rows[0]?.ids ?? [],
    scannedDownTo: rows[0]?.lowest ?? null,
    pattern: rows[0]?.pattern ?? null,
  };
}

/** @returns null when there are too many matches, or the query takes too long */
async function searchIndex(
  db: Database,
  pattern: string,
  request: PageRequest,
  limits: SearchLimits,
): Promise<SearchResult | null> {
  const parameters = [pattern, request.beforeId ?? MAX_ID, request.limit, limits.maxIndexMatches];
  const rows = await queryWithTimeout<{ ids: number[] }>(db, limits.indexTimeoutMs, INDEX_QUERY, parameters);
  const [found] = rows ?? [];
  return found === undefined ? null : { ids: found.ids, scannedDownTo: null };
}

async function findByGmailId(db: Queryable, id: string, request: PageRequest): Promise<number[]> {
  const { rows } = await db.query(BY_GMAIL_ID, [id.toLowerCase(), request.beforeId ?? MAX_ID, request.limit]);
  return rows.map((row) => row.id);
}
