/**
 * Routes for messages that are not stored: a list by state, a search, counts of ignored ones, and what an operator can do about
 * those that fail. The ledger has ids only; Gmail is asked for sender and subject.
 */

import type { AppContext } from '../../shared/control/app-context.ts';
import { AppError } from '../../shared/errors.ts';
import { json } from '../../shared/http.ts';
import type {
  FoundMessages,
  GivenUp,
  MessageCounts,
  MessagePage,
  Retried,
} from '../../shared/schemas/messages.ts';
import { mailboxParameter } from './email-list-parameters.ts';
import { countIgnored } from './ignored-counts.ts';
import * as actions from './message-actions.ts';
import { withHeaders } from './message-headers.ts';
import { LISTED_STATES, type ListedState, listMessages } from './message-queries.ts';
import { formatPositions, parsePositions, searchMessages } from './message-search.ts';
import { recordMessageList } from './record-access.ts';
import {
  type Handler,
  idParameter,
  integerParameter,
  jsonBody,
  pageRequest,
  searchText,
} from './request-parameters.ts';
import { openMailboxes } from './searched-mailboxes.ts';

/** The list appears without the headers that have not arrived by then. */
const LIST_TIMEOUT_MS = 2_000;
const SEARCH_TIMEOUT_MS = 8_000;
/** As many as one request asks Gmail for. */
const MAX_FOUND = 25;
const RULE = /^[a-z_]{1,40}$/;

export function showMessages(context: AppContext): Handler {
  return async (request, _params, log) => {
    const state = stateParameter(request.query['state']);
    const rule = ruleParameter(request.query['rule'], state);
    const page = await listMessages(context.db, state, rule, pageRequest(request.query));
    const ids = [...new Set(page.rows.map((row) => row.mailbox_id))];
    const opened =
      ids.length === 0 ? null : await openMailboxes(context, LIST_TIMEOUT_MS, { address: null, ids });
    // A backlog is fetched in order, and the sender and subject of each message are then known.
    const isBacklog = state === 'waiting' && page.nextBeforeId !== null;
    const { error, messages } = await withHeaders(isBacklog ? [] : (opened?.accesses ?? []), page.rows);
    recordMessageList(request, log, { messages, isSearch: false });
    return json<MessagePage>(200, {
      messages,
      next_before: page.nextBeforeId,
      gmail: { error: opened?.error ?? error },
    });
  };
}

export function searchNotStored(context: AppContext): Handler {
  return async (request, _params, log) => {
    const { before, limit, mailbox, q } = jsonBody(request.body);
    const text = searchText(q);
    const positions = parsePositions(before);
    const address = mailboxParameter(mailbox)?.toLowerCase() ?? null;
    const rowCount = integerParameter(limit ?? MAX_FOUND, 'limit', 1, MAX_FOUND);
    const opened = await openMailboxes(context, SEARCH_TIMEOUT_MS, { address, ids: null });
    const wanted = { text: text ?? '', address, positions, limit: rowCount };
    const result = await searchMessages(context.db, opened, wanted);
    const { error, messages } = await withHeaders(opened.accesses, result.found);
    recordMessageList(request, log, { messages, isSearch: true });
    return json<FoundMessages>(200, {
      messages,
      next_before: formatPositions(result.next),
      gmail: { error: result.error ?? error },
      searched: result.searched,
    });
  };
}

export function showCounts({ db }: AppContext): Handler {
  return async () => json<MessageCounts>(200, await countIgnored(db));
}

/** Retries all failing messages with the next run. */
export function retryAll({ db }: AppContext): Handler {
  return async () => json<Retried>(200, { retried: await actions.retryAll(db) });
}

/** `retried` is 0 when the message neither fails nor is dead any more. */
export function retryOne({ db }: AppContext): Handler {
  return async (_request, [id = '']) => {
    const retried = await actions.retryOne(db, idParameter(id));
    if (retried === null) throw messageNotFound();
    return json<Retried>(200, { retried });
  };
}

/** `given_up` is 0 when the message is no longer dead or was given up before. */
export function giveUp({ db }: AppContext): Handler {
  return async (_request, [id = '']) => {
    const count = await actions.giveUpOne(db, idParameter(id));
    if (count === null) throw messageNotFound();
    return json<GivenUp>(200, { given_up: count });
  };
}

function messageNotFound(): AppError {
  return new AppError('not_found', 'There is no message with this ledger id.');
}

/** @throws {AppError} bad_request */
function stateParameter(value: unknown): ListedState {
  const state = LISTED_STATES.find((one) => one === (value ?? 'failing'));
  if (state !== undefined) return state;
  throw new AppError('bad_request', `"state" must be one of ${LISTED_STATES.join(', ')}.`);
}

/** @throws {AppError} bad_request */
function ruleParameter(value: unknown, state: ListedState): string | null {
  if (value === undefined) return null;
  if (typeof value === 'string' && RULE.test(value) && state === 'ignored') return value;
  throw new AppError('bad_request', '"rule" must be the rule of ignored messages.');
}
