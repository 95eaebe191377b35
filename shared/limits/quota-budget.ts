/**
 * The quota units of one run, reserved from the bucket that all instances share (`shared/db/quota.ts`).
 *
 * Gmail counts a call when it arrives, up to a second after its reservation; the capacity of the bucket allows for that
 * second. So a caller reserves what it sends at once, and releases the rest.
 */
import type { Queryable } from '../db/database.ts';
import { clearPause, pauseSpending, releaseUnits, reserveUnits } from '../db/quota.ts';
import type { Deadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import { QUOTA_COSTS } from '../gmail/quota-costs.ts';
import type { Sleep } from '../retry.ts';
import { Semaphore } from './semaphore.ts';

/** Sixteen calls of `messages.get`, the most that are in flight at once. */
export const MAX_RESERVED_UNITS = 320;
const MESSAGE_UNITS = QUOTA_COSTS['users.messages.get'];
/** The one call after a pause mostly ends within this time, long before the pause that its failure would cause. */
const CHECK_AGAIN_MS = 250;

export interface QuotaBudgetOptions {
  readonly db: Queryable;
  readonly mailboxId: number;
  /** GMAIL_QUOTA_UNITS_PER_MINUTE. */
  readonly unitsPerMinute: number;
  readonly deadline: Deadline;
  readonly sleep: Sleep;
  /** Units that the first calls of the run are likely to cost: the first statement reserves them all. */
  readonly firstUnits?: number;
}

export class QuotaBudget {
  readonly #options: QuotaBudgetOptions;
  /** One reservation waits at a time, first come first served: a large one is not overtaken again and again. */
  readonly #turn = new Semaphore(1);
  #firstUnits: number;
  /** Reserved with the first call and not handed out yet. */
  #remainder = 0;
  #spentUnits = 0;
  /** Of the latest reservation. Above 0: it is the one call after a pause. */
  #pauseSeconds = 0;
  /** A rate limit was reported since the latest reservation: further ones are of calls in flight at the same time. */
  #isLimited = false;
  /** The latest statement that sets or clears the pause: a reservation waits for it, because callers may not. */
  #pauseChange: Promise<unknown> = Promise.resolve();

  constructor(options: QuotaBudgetOptions) {
    this.#options = options;
    this.#firstUnits = options.firstUnits ?? 0;
  }

  /** Units handed out and not released. */
  get spentUnits(): number {
    return this.#spentUnits;
  }

  /**
   * Reserves units for a batch of equal calls; waits until one call can be paid. After a rate limit it is one call until
   * one succeeds.
   *
   * @param least the price of one call
   * @param most the price of all; above 320 units it counts as 320
   * @returns units to spend at once: a multiple of `least`, up to `most`
   * @throws {AppError} out_of_time when the deadline comes before the units
   * @throws {AppError} database_unavailable
   */
  async reserve(least: number, most: number): Promise<number> {
    return await this.#turn.run(async () => {
      const units = this.#takeRemainder(least, most) || (await this.#waitFor(least, most));
      this.#spentUnits += units;
      return units;
    });
  }

  /**
   * Reserves the price of one call.
   *
   * @throws {AppError} out_of_time, database_unavailable
   */
  async acquire(units: number): Promise<void> {
    await this.reserve(units, units);
  }

  /** Returns units that were reserved and not spent. Never fails: units that are not released refill within a minute. */
  async release(units: number): Promise<void> {
    if (units <= 0) return;
    this.#spentUnits -= units;
    await this.#giveBack(units);
  }

  /** Returns what the first statement reserved and no call has used: at the end of a run. Never fails. */
  async releaseAll(): Promise<void> {
    await Promise.all([this.#pauseChange, this.#releaseRemainder()]);
  }

  /**
   * Gmail answered a call. Costs a statement only after a pause. Never fails: while the pause is set, the next reservation
   * is for one call again, and its success clears it. A quota that is spent can have room for `history.list` and none for a
   * message, so a cheaper call than `messages.get` ends the wait only.
   *
   * @param units the price of the call
   */
  async onSuccess(units: number = MESSAGE_UNITS): Promise<void> {
    if (!this.#isOnlyCall) return;
    const after = this.#pauseSeconds;
    this.#pauseSeconds = 0;
    const { db, mailboxId } = this.#options;
    const keepsOneCall = units < MESSAGE_UNITS;
    this.#pauseChange = clearPause(db, mailboxId, after, keepsOneCall).catch(() => undefined);
    await this.#pauseChange;
  }

  /**
   * Gmail limited the rate of a call whose units were reserved: all instances stop spending for 1 s to 16 s. Not for a
   * limit of calls in flight. Never fails: the next rate limit tries again.
   *
   * @param retryAfterMs Gmail's Retry-After: the pause is not shorter, up to a minute
   * @returns the length of the pause in seconds; null when another call has reported the same limit
   */
  async onRateLimited(retryAfterMs = 0): Promise<number | null> {
    if (this.#isLimited) return null;
    this.#isLimited = true;
    const { db, mailboxId } = this.#options;
    const pause = pauseSpending(db, mailboxId, this.#pauseSeconds, retryAfterMs).catch(() => null);
    this.#pauseChange = Promise.all([pause, this.#releaseRemainder()]);
    await this.#pauseChange;
    return await pause;
  }

  /** This run makes the one call after a pause, and no answer is known yet. */
  get #isOnlyCall(): boolean {
    return this.#pauseSeconds > 0 && !this.#isLimited;
  }

  #takeRemainder(least: number, most: number): number {
    const units = Math.floor(Math.min(this.#remainder, most) / least) * least;
    this.#remainder -= units;
    return units;
  }

  async #waitFor(least: number, most: number): Promise<number> {
    const { db, mailboxId, unitsPerMinute, deadline, sleep } = this.#options;
    const wanted = Math.max(least, Math.min(most, MAX_RESERVED_UNITS));
    for (;;) {
      await this.#pauseChange;
      const ask = { least, most: Math.max(wanted, this.#firstUnits), unitsPerMinute };
      const { units, waitMs, pauseSeconds } = await reserveUnits(db, mailboxId, ask);
      if (units > 0) {
        this.#firstUnits = 0;
        this.#pauseSeconds = pauseSeconds;
        this.#isLimited = false;
        const given = Math.min(units, Math.floor(wanted / least) * least);
        this.#remainder += units - given;
        return given;
      }
      const sleepMs = this.#isOnlyCall ? Math.min(waitMs, CHECK_AGAIN_MS) : waitMs;
      if (!deadline.hasTimeFor(sleepMs))
        throw new AppError('out_of_time', `Quota units are available in ${sleepMs} ms, after the deadline.`);
      await sleep(sleepMs);
    }
  }

  async #releaseRemainder(): Promise<void> {
    const units = this.#remainder;
    this.#remainder = 0;
    if (units > 0) await this.#giveBack(units);
  }

  async #giveBack(units: number): Promise<void> {
    const { db, mailboxId, unitsPerMinute } = this.#options;
    await releaseUnits(db, mailboxId, units, unitsPerMinute).catch(() => undefined);
  }
}
