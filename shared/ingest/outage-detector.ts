/**
 * Tells failures of Gmail from failures of single messages, over one run. A failure is the message's own only if at least
 * as many other messages were fetched in the run as failed; otherwise Gmail or the database fails, and nothing is charged.
 */

/** So many failures in a row: one call at a time, until one succeeds. */
const ROW_LENGTH = 8;
/** Fetching stops when so many messages failed and none was fetched. */
const HOPELESS_COUNT = 30;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

export class OutageDetector {
  /** Attempt counts of the messages that failed and are charged if the failures are their own. */
  readonly #chargeable = new Map<string, number>();
  readonly #failed = new Set<string>();
  #fetchedCount = 0;
  #failuresInRow = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #hasProbed = false;

  /** True once per run: the message that has waited longest is tried first. */
  takeProbe(): boolean {
    const isFirst = !this.#hasProbed;
    this.#hasProbed = true;
    return isFirst;
  }

  /** Calls fail one after another. */
  get isOutage(): boolean {
    return this.#failuresInRow >= ROW_LENGTH;
  }

  /** Nothing was fetched in this run, and enough was tried. */
  get isHopeless(): boolean {
    return this.#fetchedCount === 0 && this.#failed.size >= HOPELESS_COUNT;
  }

  /** Before the next call of an outage, milliseconds; grows with each. */
  takePauseMs(): number {
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
    return pauseMs;
  }

  /** Gmail answered for a message. `isFetched` false: it is gone. */
  succeeded(gmailMessageId: string, isFetched: boolean): void {
    if (isFetched) this.#fetchedCount += 1;
    this.#failed.delete(gmailMessageId);
    this.#chargeable.delete(gmailMessageId);
    this.#failuresInRow = 0;
    this.#pauseMs = FIRST_PAUSE_MS;
  }

  /** @param attemptCount before the failure; null: it is not to be charged in any case */
  failed(gmailMessageId: string, attemptCount: number | null): void {
    this.#failuresInRow += 1;
    this.#failed.add(gmailMessageId);
    if (attemptCount !== null) this.#chargeable.set(gmailMessageId, attemptCount);
  }

  /** The failures that are their messages' own: attempt counts by Gmail message id. Asked once, at the end of the run. */
  takeCharged(): ReadonlyMap<string, number> {
    return this.#fetchedCount >= this.#failed.size ? this.#chargeable : new Map();
  }
}
