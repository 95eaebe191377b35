// history.list: chronological records after a cursor, in pages. Reproduces Gmail's index lag, the missing `history`
// field of an empty result, and empty pages that carry a page token.
// https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.history/list

import type { EmulatedMailbox } from './emulated-mailbox.ts';
import { invalidArgument, notFound } from './google-error.ts';
import type { HistoryRecord } from './history-log.ts';
import { type HttpResponse, jsonResponse } from './http-response.ts';
import { type IndexLag, isListed } from './index-lag.ts';
import { maskFields } from './partial-response.ts';
import {
  type GmailRequest,
  listArgument,
  pageSize,
  readPageToken,
  writePageToken,
} from './request-arguments.ts';

const historyTypes = ['messageAdded', 'messageDeleted', 'labelAdded', 'labelRemoved'] as const;
type HistoryType = (typeof historyTypes)[number];

export interface HistorySwitches {
  indexLag: IndexLag;
  /** Number of empty pages with a page token before every non-empty page. */
  emptyHistoryPages: number;
}

export function listHistory(
  mailbox: EmulatedMailbox,
  switches: HistorySwitches,
  request: GmailRequest,
  nowMs: number,
): HttpResponse {
  const start = startHistoryId(request.query);
  const types = requestedTypes(request.query);
  const labelId = request.query.get('labelId');
  if (labelId !== null && mailbox.labels.get(labelId) === undefined) {
    throw invalidArgument(`Invalid label: ${labelId}`);
  }
  const size = pageSize(request.query);
  if (!mailbox.history.knows(start)) throw notFound();

  const token = readPageToken(request.query, ['start', 'after', 'empty']);
  // All pages of a listing must use the same startHistoryId.
  if (token !== null && token.start !== start.toString()) throw invalidArgument('Invalid pageToken');
  const after = BigInt(token?.after ?? start);
  const emptyBefore = Number(token?.empty ?? 0);
  const historyId = mailbox.history.current.toString();
  const position = { start: start.toString(), after: after.toString() };

  const matching = mailbox.history
    .after(after)
    .filter((record) => isListed(record, switches.indexLag, nowMs))
    .filter((record) => matchesLabel(record, labelId))
    .map((record) => ({ record, resource: recordResource(record, types) }))
    .filter((entry) => entry.resource !== null);

  if (matching.length > 0 && emptyBefore < switches.emptyHistoryPages) {
    const nextPageToken = writePageToken({ ...position, empty: String(emptyBefore + 1) });
    return jsonResponse(200, maskFields({ nextPageToken, historyId }, request.query));
  }
  const page = matching.slice(0, size);
  const last = page.at(-1);
  const result = {
    ...(page.length > 0 && { history: page.map((entry) => entry.resource) }),
    ...(last !== undefined &&
      matching.length > size && {
        nextPageToken: writePageToken({ ...position, after: last.record.id.toString(), empty: '0' }),
      }),
    historyId,
  };
  return jsonResponse(200, maskFields(result, request.query));
}

function startHistoryId(query: URLSearchParams): bigint {
  const given = query.get('startHistoryId');
  if (given === null || given === '') throw invalidArgument('Missing required parameter: startHistoryId');
  if (!/^\d{1,20}$/.test(given)) {
    throw invalidArgument(`Invalid value at 'start_history_id' (TYPE_UINT64), "${given}"`);
  }
  return BigInt(given);
}

function requestedTypes(query: URLSearchParams): ReadonlySet<HistoryType> {
  const given = listArgument(query, 'historyTypes');
  const known = historyTypes.filter((type) => given.includes(type));
  const unknown = given.find((type) => !historyTypes.some((name) => name === type));
  if (unknown !== undefined)
    throw invalidArgument(`Invalid value at 'history_types' (TYPE_ENUM), "${unknown}"`);
  return new Set(given.length === 0 ? historyTypes : known);
}

function matchesLabel(record: HistoryRecord, labelId: string | null): boolean {
  if (labelId === null) return true;
  return [...record.labelIds, ...record.labelsAdded, ...record.labelsRemoved].includes(labelId);
}

/** The record in Gmail's format; null when it contains no change of the requested types. */
function recordResource(
  record: HistoryRecord,
  types: ReadonlySet<HistoryType>,
): Record<string, unknown> | null {
  const bare = { id: record.messageId, threadId: record.threadId };
  const message = { ...bare, labelIds: record.labelIds };
  const changes: Record<string, unknown> = {};
  if (record.change === 'added' && types.has('messageAdded')) changes['messagesAdded'] = [{ message }];
  if (record.change === 'deleted' && types.has('messageDeleted')) changes['messagesDeleted'] = [{ message }];
  if (record.labelsAdded.length > 0 && types.has('labelAdded')) {
    changes['labelsAdded'] = [{ message, labelIds: record.labelsAdded }];
  }
  if (record.labelsRemoved.length > 0 && types.has('labelRemoved')) {
    changes['labelsRemoved'] = [{ message, labelIds: record.labelsRemoved }];
  }
  if (Object.keys(changes).length === 0) return null;
  return { id: record.id.toString(), messages: [bare], ...changes };
}
