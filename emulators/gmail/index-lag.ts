// Gmail's indexes run behind the mailbox. A notification and getProfile already tell the new historyId while
// history.list does not list the change yet, for one to three seconds, and still reports the new id as
// current (openclaw/gogcli#379): a client that moves its cursor there has lost the mail.

import type { HistoryRecord } from './history-log.ts';
import type { Random } from './random.ts';

/** All times in milliseconds; all switches may be turned at any moment. */
export interface IndexLag {
  /** history.list hides records younger than this. */
  historyMs: number;
  /** messages.list hides messages younger than this. */
  listMs: number;
  /** The next recorded change becomes visible this much later, behind newer ones; taken once, then 0. */
  nextRecordMs: number;
  /** By chance, a record is held back by `lateRecordMs` like that. */
  lateRecordProbability: number;
  lateRecordMs: number;
}

/** Indexes without any lag. */
export function noIndexLag(): IndexLag {
  return { historyMs: 0, listMs: 0, nextRecordMs: 0, lateRecordProbability: 0, lateRecordMs: 0 };
}

/** Until when the record that is being written now is held back; 0 = it is not. */
export function holdNextRecord(lag: IndexLag, nowMs: number, random: Random): number {
  if (lag.nextRecordMs > 0) {
    const heldUntilMs = nowMs + lag.nextRecordMs;
    lag.nextRecordMs = 0;
    return heldUntilMs;
  }
  const late = lag.lateRecordProbability > 0 && random() < lag.lateRecordProbability;
  return late ? nowMs + lag.lateRecordMs : 0;
}

/** Whether history.list shows the record at `nowMs`. */
export function isListed(record: HistoryRecord, lag: IndexLag, nowMs: number): boolean {
  return record.atMs + lag.historyMs <= nowMs && record.heldUntilMs <= nowMs;
}
