// messages.list: ids, newest first, by label and search. The page token names a place in time, so mail that
// arrives while somebody pages neither repeats nor hides a message.
// https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages/list

import { type Answer, jsonAnswer } from './answer.ts';
import { maskFields } from './field-mask.ts';
import {
  booleanArgument,
  type GmailRequest,
  listArgument,
  pageSize,
  readPageToken,
  writePageToken,
} from './gmail-request.ts';
import { invalidArgument } from './google-error.ts';
import type { IndexLag } from './index-lag.ts';
import type { Mailbox } from './mailbox.ts';
import { matchesSearch } from './search-match.ts';
import { parseSearch } from './search-query.ts';
import type { StoredMessage } from './stored-message.ts';

/** Gmail counts no further for its estimate: a search with thousands of results also says 201. */
const highestEstimate = 201;

export function listMessages(
  mailbox: Mailbox,
  indexLag: IndexLag,
  request: GmailRequest,
  nowMs: number,
): Answer {
  const { query } = request;
  const size = pageSize(query);
  const labelIds = listArgument(query, 'labelIds');
  const unknown = labelIds.find((id) => mailbox.labels.get(id) === undefined);
  if (unknown !== undefined) throw invalidArgument(`Invalid label: ${unknown}`);
  const search = parseSearch(query.get('q') ?? '');
  const spamAndTrash =
    booleanArgument(query, 'includeSpamTrash') ||
    search.namesSpamOrTrash ||
    labelIds.some((id) => id === 'SPAM' || id === 'TRASH');
  const token = readPageToken(query, ['date', 'sequence']);
  const after =
    token === null ? null : { internalDateMs: Number(token.date), sequence: Number(token.sequence) };

  const isShown = (message: StoredMessage): boolean =>
    message.arrivedAtMs + indexLag.listMs <= nowMs &&
    (spamAndTrash || !(message.labelIds.has('SPAM') || message.labelIds.has('TRASH'))) &&
    labelIds.every((id) => message.labelIds.has(id)) &&
    matchesSearch(search, message, { labels: mailbox.labels, nowMs });

  const page: StoredMessage[] = [];
  let hasMore = false;
  let estimate = 0;
  for (const message of mailbox.timeline.newestFirst(after)) {
    if (!isShown(message)) continue;
    estimate += 1;
    if (page.length < size) page.push(message);
    else hasMore = true;
    if (hasMore && estimate >= highestEstimate) break;
  }
  const last = page.at(-1);
  const answer = {
    ...(page.length > 0 && { messages: page.map(({ id, threadId }) => ({ id, threadId })) }),
    ...(hasMore &&
      last !== undefined && {
        nextPageToken: writePageToken({ date: String(last.internalDateMs), sequence: String(last.sequence) }),
      }),
    resultSizeEstimate: Math.min(estimate, highestEstimate),
  };
  return jsonAnswer(200, maskFields(answer, query));
}
