/**
 * Finds emails, the last received first, by words and filters. Each word must be the prefix of a word in the sender, the
 * recipients, a delivery address, the subject, an attachment name or the plain text. A complete Gmail message id or Message-ID
 * finds its emails.
 * Invariant: the time of one call depends neither on the number of emails nor on the planner's estimate for a word.
 */
import type { Database } from '../../shared/db/database.ts';
import type { EmailCursor, EmailFilters, EmailListRequest } from './email-list-parameters.ts';
import { BY_ID, INDEX_QUERY, RARE_WORDS, SCANS, type Source } from './email-search-statements.ts';
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

function sourceOf({ hasDefects, mailbox, processed }: EmailFilters): Source {
  if (processed === false) return 'unprocessed';
  if (hasDefects) return 'defects';
  return mailbox === null ? 'all' : 'mailbox';
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
  const search = async (words: string, all: string | null) => {
    const parameters = [words, ...conditionParameters(request), maxIndexMatches, request.limit, all];
    return await queryWithTimeout<{ found: EmailCursor[] }>(db, indexTimeoutMs, INDEX_QUERY, parameters);
  };
  const rare = await rareWords(db, pattern);
  let rows = rare === pattern ? await search(pattern, null) : await search(rare, pattern);
  // All words together may be in few emails.
  if (rows?.length === 0 && rare !== pattern) rows = await search(pattern, null);
  const [row] = rows ?? [];
  return row === undefined ? null : { found: row.found, scannedDownTo: null };
}

/**
 * The words that few of the newest emails have; all words when each is frequent. For a prefix, the index reads all its entries: with
 * a million emails "order 4711" would exceed the time limit because of "order" alone.
 */
async function rareWords(db: Database, pattern: string): Promise<string> {
  const words = pattern.split(' & ');
  if (words.length === 1) return pattern;
  const { rows } = await db.query(RARE_WORDS, [words]);
  return rows.length === 0 ? pattern : rows.map(({ word }) => word).join(' & ');
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
