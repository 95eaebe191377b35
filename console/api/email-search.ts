/**
 * Finds emails, the last received first, by words and filters. Each word must be the prefix of a word in the sender, the
 * recipients, a delivery address, the subject, an attachment name or the plain text. A complete Gmail message id or Message-ID
 * finds its emails.
 * Invariant: the time of one call depends neither on the number of emails nor on the planner's estimate for a word.
 */
import type { Database } from '../../shared/db/database.ts';
import { statement } from '../../shared/db/statement.ts';
import type { EmailCursor, EmailFilters, EmailListRequest } from './email-list-parameters.ts';
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
  /** The same with filters, for which each scanned email is read. */
  readonly maxFilteredEmails: number;
  /** Matches of the index that are sorted. */
  readonly maxIndexMatches: number;
  /** The index reads all entries of each word, which takes long for two frequent words. */
  readonly indexTimeoutMs: number;
}

const LIMITS: SearchLimits = {
  initialScanSteps: [200, 1_000, 3_000],
  maxScannedEmails: 13_000,
  maxFilteredEmails: 4_000,
  maxIndexMatches: 2_000,
  indexTimeoutMs: 75,
};

const GMAIL_ID = /^[0-9a-f]{12,20}$/i;
/** With or without angle brackets. */
const MESSAGE_ID = /^(<\S+>|[^\s<>]+@[^\s<>]+)$/;

/** Further words are ignored: they hardly change the result. A word of Japanese has one for each of its letters. */
const MAX_WORDS = 32;

// Splits the text into words as the words of an email are split, each as a prefix. email_words leaves no quote and no
// backslash, so nothing needs escaping. `pattern` is null when the text has no word: it matches every email.
const PARSED_QUERY = `
parsed_query as materialized (
  select string_agg('''' || word || ''':*', ' & ')::tsquery as pattern
  from (
    select word
    from unnest(tsvector_to_array(email_words($1::text))) word
    limit ${MAX_WORDS}
  ) words
)`;

// $2 before, microseconds bigint, $3 before, id bigint, $4 from timestamptz; each may be null
function isInRange(receivedAt: string, id: string): string {
  return `(${receivedAt}, ${id}) < (coalesce('epoch'::timestamptz + $2::bigint * interval '1 microsecond', 'infinity'), $3::bigint)
    and ${receivedAt} >= coalesce($4::timestamptz, '-infinity')`;
}

const IS_IN_MAILBOX = 'e.mailbox_id = (select m.id from mailboxes m where m.email_address = $6::text)';

// $5 has filters bool, $6 mailbox text, $7 processed bool, $8 with attachments bool, $9 with defects bool
function passesFilters(id: string): string {
  return `(not $5::boolean or exists (
    select
    from incoming_emails e
    where e.id = ${id}
      and ($6::text is null or ${IS_IN_MAILBOX})
      and ($7::boolean is null or e.processed = $7::boolean)
      and (not $8::boolean or e.attachment_count > 0)
      and (not $9::boolean or e.defects <> '{}')))`;
}

/**
 * What a scan reads in the order of its index: all emails, or those of the filter that is expected to leave the fewest. The
 * other filters are applied to each email.
 */
const SOURCES = {
  all: null,
  unprocessed: 'not e.processed',
  defects: "e.defects <> '{}'",
  mailbox: IS_IN_MAILBOX,
} as const;
type Source = keyof typeof SOURCES;

function sourceOf({ hasDefects, mailbox, processed }: EmailFilters): Source {
  if (processed === false) return 'unprocessed';
  if (hasDefects) return 'defects';
  return mailbox === null ? 'all' : 'mailbox';
}

// Parameters as above, $10 emails to scan int, $11 rows int
// Always one row. lowest is null when the page is full, or no emails are left.
function scanStatement(source: Source) {
  const condition = SOURCES[source];
  const read =
    condition === null
      ? `select s.received_at, s.email_id as id, s.search_words
    from email_search s
    where ${isInRange('s.received_at', 's.email_id')}
    order by s.received_at desc, s.email_id desc`
      : `select e.received_at, e.id
    from incoming_emails e
    where ${condition}
      and ${isInRange('e.received_at', 'e.id')}
    order by e.received_at desc, e.id desc`;
  const words =
    condition === null
      ? 'd.search_words @@ (select pattern from parsed_query)'
      : `(
      select s.search_words @@ (select pattern from parsed_query)
      from email_search s
      where s.email_id = d.id)`;
  return statement(
    `
with ${PARSED_QUERY},
scanned as materialized (
  select d.received_at, d.id,
    ((select pattern from parsed_query) is null or ${words})
    and ${passesFilters('d.id')} as is_match
  from (
    ${read}
    limit $10::integer
  ) d
),
matches as materialized (
  select received_at, id
  from scanned
  where is_match
  order by received_at desc, id desc
  limit $11::integer
)
select (select pattern::text from parsed_query) as pattern,
       array(select email_cursor(received_at, id) from matches) as found,
       case when (select count(*) from matches) < $11::integer
              and (select count(*) from scanned) = $10::integer
            then (select email_cursor(received_at, id) from scanned order by received_at, id limit 1) end as lowest`,
    { pattern: 'text?', found: 'text[]', lowest: 'text?' },
  );
}

const SCANS = {
  all: scanStatement('all'),
  unprocessed: scanStatement('unprocessed'),
  defects: scanStatement('defects'),
  mailbox: scanStatement('mailbox'),
};

// The ids are looked up first: the planner would also read every email of the range from its index.
// Parameters as above, $1 Gmail message id text, $10 Message-ID without brackets text or null, $11 rows int
const BY_ID = statement(
  `
with named as materialized (
  select e.received_at, e.id
  from incoming_emails e
  where e.gmail_message_id = $1::text
     or hashtextextended(e.rfc822_message_id, 0)
          in (hashtextextended($10::text, 0), hashtextextended('<' || $10::text || '>', 0))
       and e.rfc822_message_id in ($10::text, '<' || $10::text || '>')
)
select email_cursor(d.received_at, d.id) as found
from named d
where ${isInRange('d.received_at', 'd.id')}
  and ${passesFilters('d.id')}
order by d.received_at desc, d.id desc
limit $11::integer`,
  { found: 'text' },
);

// Collects the matches first and sorts them afterwards. Without `materialized` the planner may scan the whole table in order
// for a word that it expects in many emails and that no email has. For a very frequent word the planner scans the table until
// there are too many matches, instead of reading the index to its end.
// Parameters as above, $1 pattern text, $10 matches int, $11 rows int
// No row: the index has more than $10 matches.
const INDEX_QUERY = `
with matches as materialized (
  select received_at, email_id as id
  from email_search
  where search_words @@ $1::tsquery
),
limited as materialized (
  select received_at, id
  from matches
  limit $10::integer + 1
)
select array(
  select email_cursor(d.received_at, d.id)
  from limited d
  where ${isInRange('d.received_at', 'd.id')}
    and ${passesFilters('d.id')}
  order by d.received_at desc, d.id desc
  limit $11::integer) as found
where (select count(*) from limited) <= $10::integer`;

export interface SearchResult {
  /** The last received first, at most `limit`. */
  readonly found: readonly EmailCursor[];
  /** The oldest email that was scanned: there may be more matches after it. Null: the page is full, or no emails are left. */
  readonly scannedDownTo: EmailCursor | null;
}

interface InitialScan {
  readonly result: SearchResult;
  /** The parsed query; null when there is no word: every email matches. */
  readonly pattern: string | null;
  readonly scannedCount: number;
}

/**
 * One page of matching emails. When searching all emails would take too long, only a part is searched: the result then has fewer
 * emails than `limit`, perhaps none.
 */
export async function findEmails(
  db: Database,
  request: EmailListRequest,
  limits: SearchLimits = LIMITS,
): Promise<SearchResult> {
  const byId = await findById(db, request);
  if (byId.length > 0) return { found: byId, scannedDownTo: null };
  const { pattern, result, scannedCount } = await scanNewest(db, request, limits.initialScanSteps);
  if (result.scannedDownTo === null) return result;
  const rest = restOfPage(result, request);
  const maxEmails = readsEmails(request.filters) ? limits.maxFilteredEmails : limits.maxScannedEmails;
  const older =
    (pattern === null ? null : await searchIndex(db, pattern, rest, limits)) ??
    (await scan(db, rest, maxEmails - scannedCount));
  return append(result, older);
}

async function scanNewest(
  db: Database,
  request: EmailListRequest,
  steps: readonly number[],
): Promise<InitialScan> {
  const lastStep = steps.at(-1) ?? 0;
  let newest: InitialScan = {
    result: { found: [], scannedDownTo: request.before },
    pattern: null,
    scannedCount: 0,
  };
  for (const step of steps) {
    const next = await scan(db, restOfPage(newest.result, request), step - newest.scannedCount);
    newest = { result: append(newest.result, next), pattern: next.pattern, scannedCount: step };
    const isPromising = newest.result.found.length * lastStep >= (request.limit / 2) * step;
    if (newest.result.scannedDownTo === null || !isPromising) break;
  }
  return newest;
}

function restOfPage({ found, scannedDownTo }: SearchResult, request: EmailListRequest): EmailListRequest {
  return { ...request, before: scannedDownTo, limit: request.limit - found.length };
}

function append(result: SearchResult, { found, scannedDownTo }: SearchResult): SearchResult {
  return { found: [...result.found, ...found], scannedDownTo };
}

/** `from` needs only the index. */
function readsEmails({ hasAttachments, hasDefects, mailbox, processed }: EmailFilters): boolean {
  return mailbox !== null || processed !== null || hasAttachments || hasDefects;
}

/** $2 to $9 */
function conditionParameters({ before, filters }: EmailListRequest): unknown[] {
  const { from, hasAttachments, hasDefects, mailbox, processed } = filters;
  const [micros = null, id = null] = before?.split('.') ?? [];
  return [micros, id, from, readsEmails(filters), mailbox, processed, hasAttachments, hasDefects];
}

async function scan(
  db: Database,
  request: EmailListRequest,
  emailCount: number,
): Promise<SearchResult & { readonly pattern: string | null }> {
  const { rows } = await db.query(SCANS[sourceOf(request.filters)], [
    request.text,
    ...conditionParameters(request),
    emailCount,
    request.limit,
  ]);
  const [row] = rows;
  return {
    found: (row?.found ?? []) as EmailCursor[],
    scannedDownTo: (row?.lowest ?? null) as EmailCursor | null,
    pattern: row?.pattern ?? null,
  };
}

/** @returns null when there are too many matches, or the query takes too long */
async function searchIndex(
  db: Database,
  pattern: string,
  request: EmailListRequest,
  { indexTimeoutMs, maxIndexMatches }: SearchLimits,
): Promise<SearchResult | null> {
  const parameters = [pattern, ...conditionParameters(request), maxIndexMatches, request.limit];
  const rows = await queryWithTimeout<{ found: EmailCursor[] }>(db, indexTimeoutMs, INDEX_QUERY, parameters);
  const [row] = rows ?? [];
  return row === undefined ? null : { found: row.found, scannedDownTo: null };
}

async function findById(db: Database, request: EmailListRequest): Promise<EmailCursor[]> {
  const text = request.text?.trim() ?? '';
  const bare = MESSAGE_ID.test(text) ? text.replace(/^<|>$/g, '') : null;
  if (bare === null && !GMAIL_ID.test(text)) return [];
  const { rows } = await db.query(BY_ID, [
    text.toLowerCase(),
    ...conditionParameters(request),
    bare,
    request.limit,
  ]);
  return rows.map((row) => row.found as EmailCursor);
}
