/**
 * Finds messages that are not stored by the words of an operator. Gmail itself is searched, because the ledger has only ids; so
 * words of the text and file names are found too. A Gmail id is looked up in the ledger first, which also knows deleted messages.
 */
import type { Queryable } from '../../shared/db/database.ts';
import { AppError, toAppError } from '../../shared/errors.ts';
import type { ErrorInfo } from '../../shared/schemas/fields.ts';
import { type GmailAccess, type OpenedGmail, toErrorInfo } from './gmail-access.ts';
import { asGmailId, toGmailQuery } from './gmail-query.ts';
import type { FoundMessage } from './message-headers.ts';
import { findByGmailIds } from './message-queries.ts';

/** Each lists up to 500 matches for 5 units. Most matches are stored. */
const MAX_LISTS = 4;

export interface SearchRequest {
  readonly text: string;
  /** Where the previous page ended; null for the first page. */
  readonly position: SearchPosition | null;
  readonly limit: number;
}

/** A place in Gmail's listing. */
export interface SearchPosition {
  /** Null: Gmail's first page. */
  readonly pageToken: string | null;
  /** Matches of this page of Gmail that have been shown or are stored. */
  readonly offset: number;
}

export interface SearchResult {
  readonly found: readonly FoundMessage[];
  /** Where the search continues; null at the end, and when the first list failed. */
  readonly next: SearchPosition | null;
  /** Why Gmail was not searched, or not to the end of this page; null when it was. */
  readonly error: ErrorInfo | null;
}

const NO_WORD: ErrorInfo = {
  code: 'bad_request',
  detail: 'The search has no letter and no digit.',
  remediation: 'Search for a word, an address or an id.',
};

/** @throws {AppError} an error of the database */
export async function searchMessages(
  db: Queryable,
  gmail: OpenedGmail,
  request: SearchRequest,
): Promise<SearchResult> {
  const id = request.position === null ? asGmailId(request.text) : null;
  const known = id === null ? [] : await findByGmailIds(db, [id], null);
  if (known.length > 0) return { found: known.filter(isNotStored), next: null, error: null };
  const query = toGmailQuery(request.text);
  if (query === null) return { found: [], next: null, error: NO_WORD };
  const { access, error } = gmail;
  if (access === null) return { found: [], next: null, error };
  const [byId, byWords] = await Promise.all([
    id === null ? [] : findInGmail(access, id),
    searchGmail(db, access, { ...request, query }),
  ]);
  return { ...byWords, found: [...byId.filter((one) => !byWords.found.includes(one)), ...byWords.found] };
}

/** @returns the id if Gmail has the message; an error is left to the search by words, which has the same */
async function findInGmail({ deadline, lookup, mailbox }: GmailAccess, id: string): Promise<string[]> {
  const { byId } = await lookup.readHeaders(mailbox.id, [id], { deadline, maxCalls: 1 });
  const headers = byId.get(id);
  return headers === undefined || headers === 'gone' ? [] : [id];
}

async function searchGmail(
  db: Queryable,
  { deadline, lookup, mailbox }: GmailAccess,
  { limit, position, query }: SearchRequest & { readonly query: string },
): Promise<SearchResult> {
  const found: FoundMessage[] = [];
  let { offset, pageToken }: SearchPosition = position ?? { pageToken: null, offset: 0 };
  for (let list = 0; list < MAX_LISTS; list += 1) {
    let page: Awaited<ReturnType<typeof lookup.search>>;
    try {
      page = await lookup.search(mailbox.id, { query, pageToken }, deadline);
    } catch (thrown) {
      const error = toAppError(thrown);
      // What the database failed at is not a matter of Gmail.
      if (error.code.startsWith('database_')) throw error;
      const isStart = pageToken === null && offset === 0;
      return { found, next: isStart ? null : { pageToken, offset }, error: toErrorInfo(error) };
    }
    const ids = [...new Set(page.messages.map((message) => message.id))];
    const inLedger = new Map(
      (await findByGmailIds(db, ids, mailbox.id)).map((row) => [row.gmail_message_id, row]),
    );
    for (const [index, id] of ids.entries()) {
      const message: FoundMessage = inLedger.get(id) ?? id;
      if (index < offset || !isNotStored(message)) continue;
      if (found.length === limit) return { found, next: { pageToken, offset: index }, error: null };
      found.push(message);
    }
    if (page.nextPageToken === null) return { found, next: null, error: null };
    pageToken = page.nextPageToken;
    offset = 0;
  }
  return { found, next: { pageToken, offset: 0 }, error: null };
}

function isNotStored(message: FoundMessage): boolean {
  return typeof message === 'string' || message.state !== 'stored';
}

export function formatPosition(position: SearchPosition | null): string | null {
  return position === null ? null : `${position.offset}.${position.pageToken ?? ''}`;
}

/** @throws {AppError} bad_request, whose detail does not repeat the value */
export function parsePosition(value: unknown): SearchPosition | null {
  if (value === undefined || value === null) return null;
  const [, offset, pageToken] =
    (typeof value === 'string' && /^(\d{1,3})\.([\x21-\x7e]{0,1000})$/.exec(value)) || [];
  if (offset === undefined || pageToken === undefined)
    throw new AppError('bad_request', '"before" must be the `next_before` of the previous page.');
  return { offset: Number(offset), pageToken: pageToken === '' ? null : pageToken };
}
