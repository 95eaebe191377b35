/**
 * How many messages are fetched at once. Gmail limits the calls in flight of a mailbox by a number that it does
 * not tell, shared with everybody else who reads the mailbox: so it is felt for, as TCP does with a network.
 */
const START = 5;
const MAX = 16;

export class Pacer {
  readonly #most: number;
  #limit: number;
  #successes = 0;
  #round = 0;

  /** A benchmark holds it at one pace; nobody else has a reason to. */
  constructor(pace: { readonly start: number; readonly most: number } = { start: START, most: MAX }) {
    this.#limit = pace.start;
    this.#most = pace.most;
  }

  /** Calls that may be in flight now: 1 to 16. */
  get limit(): number {
    return this.#limit;
  }

  /** One more after a whole round without a refusal. */
  succeeded(): void {
    this.#successes += 1;
    if (this.#successes < this.#limit || this.#limit >= this.#most) return;
    this.#limit += 1;
    this.#successes = 0;
  }

  /** Names the present pace; a call notes it when it begins. */
  get round(): number {
    return this.#round;
  }

  /**
   * 429, or a 403 that means the rate.
   *
   * @param round of the call that was refused: one burst of refusals is one, however many calls it struck
   */
  refused(round = this.#round): void {
    if (round !== this.#round) return;
    this.#round += 1;
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    this.#successes = 0;
  }
}
