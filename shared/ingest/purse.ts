/**
 * Quota units in hand. Taken from the budget on the mailbox row in handfuls, so that not every call asks the
 * database: small at first (a quiet poll takes what it spends), doubling while a backlog lasts.
 */
import type { Deadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import type { Sleep } from '../retry.ts';

/** Eight messages. More would sit unused at the end of a run; the minute has room for 300. */
const MOST_AT_ONCE = 160;

/** Takes from the budget; see `takeQuota`. */
export type TakeUnits = (
  least: number,
  most: number,
) => Promise<{ readonly units: number; readonly waitMs: number; readonly second: string }>;

export class Purse {
  readonly #take: TakeUnits;
  readonly #deadline: Deadline;
  readonly #sleep: Sleep;
  #inHand = 0;
  #handful = 0;
  #spent = 0;
  #lastSecond = '0';
  /** Payments queue up, so that concurrent ones do not each take a handful. */
  #queue: Promise<void> = Promise.resolve();

  constructor(options: { take: TakeUnits; deadline: Deadline; sleep: Sleep }) {
    this.#take = options.take;
    this.#deadline = options.deadline;
    this.#sleep = options.sleep;
  }

  /** Units paid in this run. */
  get spentUnits(): number {
    return this.#spent;
  }

  /** What is left at the end of a run, and where the last of it was booked. */
  get unspent(): { readonly second: string; readonly units: number } {
    return { second: this.#lastSecond, units: this.#inHand };
  }

  /** @throws {AppError} out_of_time when the units cannot be had before the deadline */
  async pay(units: number): Promise<void> {
    const turn = this.#queue.then(async () => await this.#payInTurn(units));
    this.#queue = turn.catch(() => undefined);
    await turn;
  }

  async #payInTurn(units: number): Promise<void> {
    while (this.#inHand < units) {
      const missing = units - this.#inHand;
      const granted = await this.#take(missing, Math.max(missing, this.#handful));
      this.#inHand += granted.units;
      if (granted.units > 0) this.#lastSecond = granted.second;
      if (granted.units > 0) {
        this.#handful = Math.min(MOST_AT_ONCE, granted.units * 2);
      } else {
        if (!this.#deadline.hasTimeFor(granted.waitMs)) {
          throw new AppError('out_of_time', 'The quota of the running minute is spent.');
        }
        await this.#sleep(granted.waitMs);
      }
    }
    this.#inHand -= units;
    this.#spent += units;
  }
}
