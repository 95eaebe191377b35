/**
 * Limits the calls to Gmail in flight by additive increase and multiplicative decrease, as TCP does. Gmail limits them per
 * mailbox to an undocumented number, shared by all clients of the mailbox. Lives as long as an instance.
 */
const START = 5;
const MAX = 16;

export class AimdLimit {
  readonly #max: number;
  #current: number;
  #successCount = 0;
  #epoch = 0;

  /** The defaults suit Gmail. A benchmark sets both to the same value for a fixed limit. */
  constructor(options: { readonly start?: number; readonly max?: number } = {}) {
    this.#max = options.max ?? MAX;
    this.#current = Math.min(options.start ?? START, this.#max);
  }

  /** Calls that may be in flight now, at least 1. */
  get current(): number {
    return this.#current;
  }

  /** Changes with each decrease. A call reads it when it starts, for `onRateLimited`. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Raises the limit by one after `current` successes. */
  onSuccess(): void {
    this.#successCount += 1;
    if (this.#successCount < this.#current || this.#current >= this.#max) return;
    this.#current += 1;
    this.#successCount = 0;
  }

  /**
   * Halves the limit: Gmail answered 429, or 403 with a rate limit reason. Other failures do not change it.
   *
   * @param epoch at the start of the limited call: calls that started before a decrease do not cause another
   */
  onRateLimited(epoch = this.#epoch): void {
    if (epoch !== this.#epoch) return;
    this.#epoch += 1;
    this.#current = Math.max(1, Math.floor(this.#current / 2));
    this.#successCount = 0;
  }
}
