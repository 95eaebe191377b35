// The messages in the order of messages.list: newest first by internalDate. They are sorted on insertion, so a page
// of a large mailbox needs no sort.

import type { StoredMessage } from './stored-message.ts';

/** A position in the timeline. */
export type Position = Pick<StoredMessage, 'internalDateMs' | 'sequence'>;

export class Timeline {
  /** Oldest first, so the usual case, a new message, is an append. */
  readonly #ascending: StoredMessage[] = [];

  insert(message: StoredMessage): void {
    this.#ascending.splice(this.#indexOf(message), 0, message);
  }

  remove(message: StoredMessage): void {
    const index = this.#indexOf(message);
    if (this.#ascending[index] === message) this.#ascending.splice(index, 1);
  }

  /** Newest first, starting with the first message that is older than `after`; null starts with the newest. */
  *newestFirst(after: Position | null): Generator<StoredMessage> {
    const end = after === null ? this.#ascending.length : this.#indexOf(after);
    for (let index = end - 1; index >= 0; index -= 1) {
      const message = this.#ascending[index];
      if (message !== undefined) yield message;
    }
  }

  /** Index of the first message that is not before `position`. */
  #indexOf(position: Position): number {
    let low = 0;
    let high = this.#ascending.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const candidate = this.#ascending[middle];
      if (candidate !== undefined && isBefore(candidate, position)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isBefore(left: Position, right: Position): boolean {
  if (left.internalDateMs !== right.internalDateMs) return left.internalDateMs < right.internalDateMs;
  return left.sequence < right.sequence;
}
