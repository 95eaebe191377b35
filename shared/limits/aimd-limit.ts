/**
 * How many calls to Gmail are in flight at once: additive increase, multiplicative decrease, as TCP does. Gmail limits
 * them per mailbox by an undocumented number, shared with all clients of the mailbox. Lives as long as an instance.
 */
const START = 5;
const MAX = 16;

export class AimdLimit {
  readonly #max: number;
  #current: number;
  #successCount = 0;
  #epoch = 0;

  /** The defaults are for Gmail; a benchmark sets both to hold one number. */
  constructor(options: { readonly start?: number; readonly max?: number } = {}) {
    this.#max = options.max ?? MAX;
    this.#current = Math.min(options.start ?? START, this.#max);
  }

  /** Calls that may be in flight now, at least 1. */
  get current(): number {
    return this.#current;
  }

  /** Changes with each cut. A call notes it when it begins, for `onRateLimited`. */
  get epoch(): number {
    return this.#epoch;
  }

  /** One more call after `current` successes. */
  onSuccess(): void {
    this.#successCount += 1;
    if (this.#successCount < this.#current || this.#current >= this.#max) return;
    this.#current += 1;
    this.#successCount = 0;
  }

  /**
   * Gmail answered 429, or a 403 that means the rate. Other failures leave the limit alone.
   *
   * @param epoch when the limited call began: calls that began before a cut do not cause another
   */
  onRateLimited(epoch = this.#epoch): void {
    if (epoch !== this.#epoch) return;
    this.#epoch += 1;
    this.#current = Math.max(1, Math.floor(this.#current / 2));
    this.#successCount = 0;
  }
}
