/**
 * The quota units of one run, reserved from the token bucket that all instances share (`shared/db/quota.ts`).
 *
 * Gmail counts a call when it arrives, up to a second after its reservation, and the capacity of the bucket allows for that
 * second. So a caller reserves only units that it spends immediately, and releases the rest.
 */
import type { Queryable } from '../db/database.ts';
import { clearPause, pauseSpending, releaseUnits, reserveUnits } from '../db/quota.ts';
import type { Deadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import { QUOTA_COSTS } from '../gmail/quota-costs.ts';
import type { Sleep } from '../retry.ts';
import { Semaphore } from './semaphore.ts';

const MESSAGE_UNITS = QUOTA_COSTS['users.messages.get'];
/** The single call after a pause usually ends within this time, long before the next pause would. */
const RECHECK_MS = 250;

export interface QuotaBudgetOptions {
  readonly db: Queryable;
  readonly mailboxId: number;
  /** GMAIL_QUOTA_UNITS_PER_MINUTE. */
  readonly unitsPerMinute: number;
  readonly deadline: Deadline;
  readonly sleep: Sleep;
}

export class QuotaBudget {
  readonly #options: QuotaBudgetOptions;
  /** One reservation waits at a time, in FIFO order, so that small ones do not starve a large one. */
  readonly #reserving = new Semaphore(1);
  #spentUnits = 0;
  /** The pause before the latest reservation. When above 0, that reservation is the single call after the pause. */
  #pauseSeconds = 0;
  /** A rate limit was reported since the latest reservation. Further reports are of calls that were in flight with it. */
  #isLimited = false;
  /** The latest statement that sets or clears the pause. Reservations wait for it, because its callers may not. */
  #pauseChange: Promise<unknown> = Promise.resolve();

  constructor(options: QuotaBudgetOptions) {
    this.#options = options;
  }

  /** Units reserved by callers and not released. */
  get spentUnits(): number {
    return this.#spentUnits;
  }

  /**
   * Reserves units for a batch of equal calls. Waits until there are units for one call. After a rate limit it reserves one
   * call at a time until one succeeds.
   *
   * @param unitsPerCall the price of one call
   * @param maxUnits the price of the whole batch
   * @returns units to spend immediately: a multiple of `unitsPerCall`, up to `maxUnits`
   * @throws {AppError} quota_used_up when the deadline comes before the units
   * @throws {AppError} database_unavailable
   */
  async reserve(unitsPerCall: number, maxUnits: number): Promise<number> {
    return await this.#reserving.run(async () => {
      const units = await this.#waitFor(unitsPerCall, maxUnits);
      this.#spentUnits += units;
      return units;
    });
  }

  /**
   * Reserves the price of one call.
   *
   * @throws {AppError} quota_used_up, database_unavailable
   */
  async acquire(units: number): Promise<void> {
    await this.reserve(units, units);
  }

  /**
   * Releases units that were reserved and not spent. The single call after a pause that is released was not made: the next
   * reservation is the single call instead, without another wait. Never fails: units that are not released refill within a
   * minute.
   */
  async release(units: number): Promise<void> {
    if (units <= 0) return;
    this.#spentUnits -= units;
    const { db, mailboxId, unitsPerMinute } = this.#options;
    const released = releaseUnits(db, mailboxId, units, unitsPerMinute).catch(() => undefined);
    await Promise.all([released, this.#endWait(true)]);
  }

  /** Waits until the pause that a call started or ended is stored. Call it at the end of a run. Never fails. */
  async finish(): Promise<void> {
    await this.#pauseChange;
  }

  /**
   * Records that Gmail answered a call. Costs a statement only after a pause. Never fails: while the pause is set, the next
   * reservation is for a single call again, and its success clears it. A quota that is nearly spent can allow
   * `history.list` but no message. So the success of a call cheaper than `messages.get` ends only the wait.
   *
   * @param units the price of the call
   */
  async onSuccess(units: number = MESSAGE_UNITS): Promise<void> {
    await this.#endWait(units < MESSAGE_UNITS);
  }

  /**
   * Records that Gmail rate-limited a call whose units were reserved: all instances stop spending for 1 s to 16 s. Must not
   * be called for a concurrency limit. Never fails: the next rate limit tries again.
   *
   * @param retryAfterMs Gmail's Retry-After: the minimum length of the pause, up to a minute
   * @returns the length of the pause in seconds; null when another call has reported the same limit or the database failed
   */
  async onRateLimited(retryAfterMs = 0): Promise<number | null> {
    if (this.#isLimited) return null;
    this.#isLimited = true;
    const { db, mailboxId } = this.#options;
    const pause = pauseSpending(db, mailboxId, this.#pauseSeconds, retryAfterMs).catch(() => null);
    this.#pauseChange = pause;
    return await pause;
  }

  /** This run has reserved the single call after a pause, and its result is not known yet. */
  get #isSingleCall(): boolean {
    return this.#pauseSeconds > 0 && !this.#isLimited;
  }

  /** Does nothing unless this run holds the single call after a pause. */
  async #endWait(keepsSingleCall: boolean): Promise<void> {
    if (!this.#isSingleCall) return;
    const after = this.#pauseSeconds;
    this.#pauseSeconds = 0;
    const { db, mailboxId } = this.#options;
    this.#pauseChange = clearPause(db, mailboxId, after, keepsSingleCall).catch(() => undefined);
    await this.#pauseChange;
  }

  async #waitFor(unitsPerCall: number, maxUnits: number): Promise<number> {
    const { db, mailboxId, unitsPerMinute, deadline, sleep } = this.#options;
    for (;;) {
      await this.#pauseChange;
      const ask = { least: unitsPerCall, most: maxUnits, unitsPerMinute };
      const { units, waitMs, pauseSeconds } = await reserveUnits(db, mailboxId, ask);
      if (units > 0) {
        this.#pauseSeconds = pauseSeconds;
        this.#isLimited = false;
        return units;
      }
      const sleepMs = this.#isSingleCall ? Math.min(waitMs, RECHECK_MS) : waitMs;
      if (!deadline.hasTimeFor(sleepMs))
        throw new AppError(
          'quota_used_up',
          `Quota units are available in ${sleepMs} ms, after the deadline.`,
        );
      await sleep(sleepMs);
    }
  }
}
