/**
 * How many messages are fetched at once. Gmail limits the calls in flight of a mailbox by a number that it does
 * not tell, shared with everybody else who reads the mailbox: so it is felt for, as TCP does with a network.
 */
const START = 5;
const MAX = 16;

export class Pacer {
  #limit = START;
  #successes = 0;

  /** Calls that may be in flight now: 1 to 16. */
  get limit(): number {
    return this.#limit;
  }

  /** One more after a whole round without a refusal. */
  succeeded(): void {
    this.#successes += 1;
    if (this.#successes < this.#limit || this.#limit >= MAX) return;
    this.#limit += 1;
    this.#successes = 0;
  }

  /** 429, or a 403 that means the rate. */
  refused(): void {
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    this.#successes = 0;
  }
}
