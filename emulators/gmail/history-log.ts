// The history of the mailbox, which history.list reads. Ids are uint64, ascending and not contiguous; only records
// above the floor are kept. A record may become visible long after it is written: see index-lag.ts.

/** One change of one message. `labelIds` is the state after the change. */
export interface HistoryRecord {
  id: bigint;
  atMs: number;
  /** history.list hides the record until this time, even when newer records are visible; 0 means no delay. */
  heldUntilMs: number;
  messageId: string;
  threadId: string;
  labelIds: string[];
  change: 'added' | 'deleted' | 'labels';
  labelsAdded: string[];
  labelsRemoved: string[];
}

export class HistoryLog {
  #records: HistoryRecord[] = [];
  #floor: bigint;
  #current: bigint;

  constructor(start: bigint) {
    this.#floor = start;
    this.#current = start;
  }

  /** The current historyId of the mailbox, that is, the id of its last change. */
  get current(): bigint {
    return this.#current;
  }

  append(record: HistoryRecord): void {
    this.#records.push(record);
    this.#current = record.id;
  }

  /** Drops every record up to and including `floor`. A cursor below it then gets 404. */
  expire(floor: bigint): void {
    this.#floor = floor;
    this.#records = this.#records.slice(this.#firstAfter(floor));
  }

  /** False for an id that is too old or was never issued; Gmail returns 404 for both. */
  knows(startHistoryId: bigint): boolean {
    return startHistoryId >= this.#floor && startHistoryId <= this.#current;
  }

  /** The records after `historyId` (exclusive), oldest first. */
  after(historyId: bigint): HistoryRecord[] {
    return this.#records.slice(this.#firstAfter(historyId));
  }

  #firstAfter(historyId: bigint): number {
    let low = 0;
    let high = this.#records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#records[middle]?.id ?? 0n) <= historyId) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
