// Gmail's indexes lag behind the mailbox. For one to three seconds, a notification and getProfile report the new historyId,
// but history.list omits the change. It still returns the new id as current (openclaw/gogcli#379). A client that advances
// its cursor to that id loses the message.

import type { Random } from '../seeded-random.ts';
import type { HistoryRecord } from './history-log.ts';

/** Times are in milliseconds. Each switch may be changed at any time. */
export interface IndexLag {
  /** history.list hides records younger than this. */
  historyMs: number;
  /** messages.list hides messages younger than this. */
  listMs: number;
  /** Delays the next recorded change by this much, so it appears after newer ones. Resets to 0 once used. */
  nextRecordMs: number;
  /** Probability that a record is delayed by `lateRecordMs` in the same way. */
  lateRecordProbability: number;
  lateRecordMs: number;
}

/** No lag. */
export function noIndexLag(): IndexLag {
  return { historyMs: 0, listMs: 0, nextRecordMs: 0, lateRecordProbability: 0, lateRecordMs: 0 };
}

/** The time until which the record being written stays hidden; 0 means no delay. */
export function holdNextRecord(lag: IndexLag, nowMs: number, random: Random): number {
  if (lag.nextRecordMs > 0) {
    const heldUntilMs = nowMs + lag.nextRecordMs;
    lag.nextRecordMs = 0;
    return heldUntilMs;
  }
  const isLate = lag.lateRecordProbability > 0 && random() < lag.lateRecordProbability;
  return isLate ? nowMs + lag.lateRecordMs : 0;
}

/** Whether history.list returns the record at `nowMs`. */
export function isListed(record: HistoryRecord, lag: IndexLag, nowMs: number): boolean {
  return record.atMs + lag.historyMs <= nowMs && record.heldUntilMs <= nowMs;
}
