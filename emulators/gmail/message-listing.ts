// messages.list: message ids, newest first, filtered by label and search. The page token holds a position in time, so
// messages that arrive between two pages cause neither duplicates nor omissions.
// https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages/list

import type { EmulatedMailbox } from './emulated-mailbox.ts';
import { invalidArgument } from './google-error.ts';
import { type HttpResponse, jsonResponse } from './http-response.ts';
import type { IndexLag } from './index-lag.ts';
import { maskFields } from './partial-response.ts';
import {
  booleanArgument,
  type GmailRequest,
  listArgument,
  pageSize,
  readPageToken,
  writePageToken,
} from './request-arguments.ts';
import { matchesSearch } from './search-match.ts';
import { parseSearch } from './search-query.ts';
import type { StoredMessage } from './stored-message.ts';

/** Gmail caps its estimate: a search with thousands of results also returns 201. */
const maxEstimate = 201;

export function listMessages(
  mailbox: EmulatedMailbox,
  indexLag: IndexLag,
  request: GmailRequest,
  nowMs: number,
): HttpResponse {
  const { query } = request;
  const size = pageSize(query);
  const labelIds = listArgument(query, 'labelIds');
  const unknown = labelIds.find((id) => mailbox.labels.get(id) === undefined);
  if (unknown !== undefined) throw invalidArgument(`Invalid label: ${unknown}`);
  const search = parseSearch(query.get('q') ?? '');
  const includesSpamAndTrash =
    booleanArgument(query, 'includeSpamTrash') ||
    search.namesSpamOrTrash ||
    labelIds.some((id) => id === 'SPAM' || id === 'TRASH');
  const token = readPageToken(query, ['date', 'sequence']);
  const after =
    token === null ? null : { internalDateMs: Number(token.date), sequence: Number(token.sequence) };

  const isListed = (message: StoredMessage): boolean =>
    message.arrivedAtMs + indexLag.listMs <= nowMs &&
    (includesSpamAndTrash || !(message.labelIds.has('SPAM') || message.labelIds.has('TRASH'))) &&
    labelIds.every((id) => message.labelIds.has(id)) &&
    matchesSearch(search, message, { labels: mailbox.labels, nowMs });

  const page: StoredMessage[] = [];
  let hasMore = false;
  let estimate = 0;
  for (const message of mailbox.timeline.newestFirst(after)) {
    if (!isListed(message)) continue;
    estimate += 1;
    if (page.length < size) page.push(message);
    else hasMore = true;
    if (hasMore && estimate >= maxEstimate) break;
  }
  const last = page.at(-1);
  const result = {
    ...(page.length > 0 && { messages: page.map(({ id, threadId }) => ({ id, threadId })) }),
    ...(hasMore &&
      last !== undefined && {
        nextPageToken: writePageToken({ date: String(last.internalDateMs), sequence: String(last.sequence) }),
      }),
    resultSizeEstimate: Math.min(estimate, maxEstimate),
  };
  return jsonResponse(200, maskFields(result, query));
}
