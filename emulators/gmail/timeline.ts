// The messages in the order of messages.list: newest first by internalDate. Kept sorted on insertion, so
// that a page of a large mailbox costs no sort.

import type { StoredMessage } from './stored-message.ts';

/** A place between two messages. */
export type Place = Pick<StoredMessage, 'internalDateMs' | 'sequence'>;

export class Timeline {
  /** Oldest first: new mail, by far the usual case, is appended. */
  readonly #ascending: StoredMessage[] = [];

  insert(message: StoredMessage): void {
    this.#ascending.splice(this.#position(message), 0, message);
  }

  remove(message: StoredMessage): void {
    const position = this.#position(message);
    if (this.#ascending[position] === message) this.#ascending.splice(position, 1);
  }

  /** Newest first, from the first message that is older than `after`; null = from the newest. */
  *newestFirst(after: Place | null): Generator<StoredMessage> {
    const end = after === null ? this.#ascending.length : this.#position(after);
    for (let index = end - 1; index >= 0; index -= 1) {
      const message = this.#ascending[index];
      if (message !== undefined) yield message;
    }
  }

  /** Index of the first message that is not before `place`. */
  #position(place: Place): number {
    let low = 0;
    let high = this.#ascending.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const candidate = this.#ascending[middle];
      if (candidate !== undefined && isBefore(candidate, place)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isBefore(left: Place, right: Place): boolean {
  if (left.internalDateMs !== right.internalDateMs) return left.internalDateMs < right.internalDateMs;
  return left.sequence < right.sequence;
}
