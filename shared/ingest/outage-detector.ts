/**
 * Distinguishes outages from failures of single messages, over one run. Failures are charged to their messages only if at
 * least as many messages were fetched as failed. Otherwise Gmail or the database failed, and nothing is charged.
 */

/** After this many consecutive failures, one call at a time is made until one succeeds. */
const OUTAGE_FAILURES = 8;
/** Fetching stops when this many messages failed and none was fetched. */
const HOPELESS_FAILURES = 30;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

export class OutageDetector {
  /** Attempt counts of the failed messages that may be charged. */
  readonly #chargeable = new Map<string, number>();
  readonly #failed = new Set<string>();
  #fetchedCount = 0;
  #consecutiveFailures = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #hasProbed = false;

  /** True once per run: the message that has waited longest is tried first, as a probe. */
  takeProbe(): boolean {
    const isFirst = !this.#hasProbed;
    this.#hasProbed = true;
    return isFirst;
  }

  get isOutage(): boolean {
    return this.#consecutiveFailures >= OUTAGE_FAILURES;
  }

  /** The run has tried enough messages and fetched none. */
  get isHopeless(): boolean {
    return this.#fetchedCount === 0 && this.#failed.size >= HOPELESS_FAILURES;
  }

  /** Returns the pause before the next call of an outage, in milliseconds. It doubles with each call. */
  takePauseMs(): number {
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
    return pauseMs;
  }

  /** Gmail answered for a message. `isFetched` is false when the message is gone. */
  succeeded(gmailMessageId: string, isFetched: boolean): void {
    if (isFetched) this.#fetchedCount += 1;
    this.#failed.delete(gmailMessageId);
    this.#chargeable.delete(gmailMessageId);
    this.#consecutiveFailures = 0;
    this.#pauseMs = FIRST_PAUSE_MS;
  }

  /** @param attemptCount before the failure; null when the failure must not be charged */
  failed(gmailMessageId: string, attemptCount: number | null): void {
    this.#consecutiveFailures += 1;
    this.#failed.add(gmailMessageId);
    if (attemptCount !== null) this.#chargeable.set(gmailMessageId, attemptCount);
  }

  /** Returns the failures to charge: attempt counts by Gmail message id. Called once, at the end of the run. */
  takeCharged(): ReadonlyMap<string, number> {
    return this.#fetchedCount >= this.#failed.size ? this.#chargeable : new Map();
  }
}
