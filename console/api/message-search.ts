/**
 * Finds messages that are not stored by the words of an operator. Gmail itself is searched, because the ledger has only ids; so
 * words of the text and file names are found too. A Gmail id is looked up in the ledger first, which also knows deleted messages.
 */
import type { Queryable } from '../../shared/db/database.ts';
import { AppError, toAppError } from '../../shared/errors.ts';
import type { ErrorInfo } from '../../shared/schemas/fields.ts';
import type { FoundMessages } from '../../shared/schemas/messages.ts';
import { type GmailAccess, toErrorInfo, withMailboxes } from './gmail-access.ts';
import { asGmailId, toGmailQuery } from './gmail-query.ts';
import { type FoundMessage, gmailIdOf, isUnknown } from './message-headers.ts';
import { findByGmailIds } from './message-queries.ts';
import { MAX_SEARCHED, type OpenedMailboxes } from './searched-mailboxes.ts';

/** Each lists up to 500 matches for 5 units. Most matches are stored. */
const MAX_LISTS = 4;

export interface SearchRequest {
  readonly text: string;
  /** The mailbox that the operator chose, in lower case; null: every mailbox. */
  readonly address: string | null;
  /** Where the previous page ended; null for the first page. */
  readonly positions: SearchPositions | null;
  /** At most this many, but at least one of each mailbox. */
  readonly limit: number;
}

/** By mailbox id: those whose search is not complete. */
export type SearchPositions = ReadonlyMap<number, SearchPosition>;

/** A place in Gmail's listing. */
export interface SearchPosition {
  /** Null: Gmail's first page. */
  readonly pageToken: string | null;
  /** Matches of this page of Gmail that have been shown or are stored. */
  readonly offset: number;
}

export interface SearchResult {
  /** Of one mailbox after the other. */
  readonly found: readonly FoundMessage[];
  /** Where the search continues; null at the end, and when only first lists failed. */
  readonly next: SearchPositions | null;
  /** Why a mailbox was not searched, or not to the end of this page; null when all were. */
  readonly error: ErrorInfo | null;
  readonly searched: FoundMessages['searched'];
}

/** Of one mailbox. */
interface OneResult {
  readonly found: readonly FoundMessage[];
  readonly next: SearchPosition | null;
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
  opened: OpenedMailboxes,
  request: SearchRequest,
): Promise<SearchResult> {
  const { address, positions } = request;
  const id = positions === null ? asGmailId(request.text) : null;
  const inLedger = id === null ? [] : await findByGmailIds(db, [id], null);
  const known = inLedger.filter((one) => address === null || one.email_address === address);
  const ofLedger = { mailboxes: [], not_searched_count: 0 };
  if (known.length > 0)
    return { found: known.filter(isNotStored), next: null, error: null, searched: ofLedger };
  const query = toGmailQuery(request.text);
  if (query === null)
    return { found: [], next: null, error: NO_WORD, searched: coverage(opened, opened.accesses) };
  const accesses = opened.accesses.filter(({ mailbox }) => positions?.has(mailbox.id) ?? true);
  const limit = Math.max(1, Math.floor(request.limit / Math.max(1, accesses.length)));
  const results = await Promise.all(
    accesses.map(async (access) => {
      const position = positions?.get(access.mailbox.id) ?? null;
      const [byId, byWords] = await Promise.all([
        id === null ? [] : findInGmail(access, id),
        searchGmail(db, access, { limit, position, query }),
      ]);
      const isNew = (one: FoundMessage) => !byWords.found.some((other) => isSame(one, other));
      return { access, ...byWords, found: [...byId.filter(isNew), ...byWords.found] };
    }),
  );
  const failed = results.filter(({ error }) => error !== null);
  return {
    found: results.flatMap(({ found }) => found),
    next: nextOf(results),
    error: opened.error ?? errorOf(failed, opened, address),
    searched: coverage(
      opened,
      failed.map(({ access }) => access),
    ),
  };
}

type MailboxResult = OneResult & { readonly access: GmailAccess };

/** The next page asks a mailbox again whose first list failed. */
function nextOf(results: readonly MailboxResult[]): SearchPositions | null {
  if (results.every(({ next }) => next === null)) return null;
  const start: SearchPosition = { pageToken: null, offset: 0 };
  return new Map(
    results.flatMap(({ access, error, next }) => {
      const position = next ?? (error === null ? null : start);
      return position === null ? [] : [[access.mailbox.id, position] as const];
    }),
  );
}

function errorOf(
  failed: readonly MailboxResult[],
  opened: OpenedMailboxes,
  chosen: string | null,
): ErrorInfo | null {
  const error = failed[0]?.error ?? null;
  // The page has the address of its only mailbox at the top.
  const isOnly = chosen === null && opened.accesses.length + opened.notOpenedCount === 1;
  if (error === null || isOnly) return error;
  return withMailboxes(
    error,
    failed.map(({ access }) => access.mailbox.email_address),
  );
}

function coverage(
  { accesses, notOpenedCount }: OpenedMailboxes,
  failed: readonly GmailAccess[],
): FoundMessages['searched'] {
  const searched = accesses.filter((access) => !failed.includes(access));
  return {
    mailboxes: searched.map(({ mailbox }) => mailbox.email_address),
    not_searched_count: notOpenedCount + accesses.length - searched.length,
  };
}

/** @returns the id if Gmail has the message; an error is left to the search by words, which has the same */
async function findInGmail({ deadline, lookup, mailbox }: GmailAccess, id: string): Promise<FoundMessage[]> {
  const { byId } = await lookup.readHeaders(mailbox.id, [id], { deadline, maxCalls: 1 });
  const headers = byId.get(id);
  return headers === undefined || headers === 'gone' ? [] : [{ mailboxId: mailbox.id, gmailMessageId: id }];
}

async function searchGmail(
  db: Queryable,
  access: GmailAccess,
  {
    limit,
    position,
    query,
  }: { readonly limit: number; readonly position: SearchPosition | null; readonly query: string },
): Promise<OneResult> {
  const { deadline, lookup, mailbox } = access;
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
      return { found, next: isStart ? null : { pageToken, offset }, error: toErrorInfo(error, access) };
    }
    const ids = [...new Set(page.messages.map((message) => message.id))];
    const inLedger = new Map(
      (await findByGmailIds(db, ids, mailbox.id)).map((row) => [row.gmail_message_id, row]),
    );
    for (const [index, id] of ids.entries()) {
      const message: FoundMessage = inLedger.get(id) ?? { mailboxId: mailbox.id, gmailMessageId: id };
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
  return isUnknown(message) || message.state !== 'stored';
}

function isSame(one: FoundMessage, other: FoundMessage): boolean {
  return gmailIdOf(one) === gmailIdOf(other);
}

/** `12:0.TOKEN 14:25.` */
export function formatPositions(positions: SearchPositions | null): string | null {
  if (positions === null) return null;
  return [...positions].map(([id, { offset, pageToken }]) => `${id}:${offset}.${pageToken ?? ''}`).join(' ');
}

const POSITION = /^(\d{1,9}):(\d{1,3})\.([\x21-\x7e]{0,1000})$/;

/** @throws {AppError} bad_request, whose detail does not repeat the value */
export function parsePositions(value: unknown): SearchPositions | null {
  if (value === undefined || value === null) return null;
  const parts = typeof value === 'string' ? value.split(' ', MAX_SEARCHED + 1) : [];
  const positions = parts.map((part): readonly [number, SearchPosition] => {
    const [, id, offset, pageToken] = POSITION.exec(part) ?? [];
    if (id === undefined || offset === undefined || pageToken === undefined) throw invalidPosition();
    return [Number(id), { offset: Number(offset), pageToken: pageToken === '' ? null : pageToken }];
  });
  if (positions.length === 0 || positions.length > MAX_SEARCHED) throw invalidPosition();
  return new Map(positions);
}

function invalidPosition(): AppError {
  return new AppError('bad_request', '"before" must be the `next_before` of the previous page.');
}
