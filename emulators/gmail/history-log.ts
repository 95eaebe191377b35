// The mailbox's history: what history.list reads. Ids are uint64, ascending, never contiguous, and only the
// records above the floor are kept. A record may be written long before it is visible: see index-lag.ts.

/** One change of one message. `labelIds` are those after the change. */
export interface HistoryRecord {
  id: bigint;
  atMs: number;
  /** Hidden from history.list until then, whatever stands around it; 0 = not held back. */
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

  /** The mailbox's present historyId: that of its last change. */
  get current(): bigint {
    return this.#current;
  }

  append(record: HistoryRecord): void {
    this.#records.push(record);
    this.#current = record.id;
  }

  /** Forgets every record up to and including `floor`: a cursor below it is answered with 404. */
  expire(floor: bigint): void {
    this.#floor = floor;
    this.#records = this.#records.slice(this.#firstAfter(floor));
  }

  /** Gmail says 404 to an id that is too old and to one that it never gave. */
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
