/**
 * Quota units in hand. Taken from the budget on the mailbox row in handfuls, so that not every call asks the
 * database: small at first (a quiet poll takes what it spends), doubling while a backlog lasts.
 */
import type { Clock, Deadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import type { Sleep } from '../retry.ts';

/**
 * Sixteen messages, as many as are called for at once: each asking holds all of them up for a few milliseconds. More would
 * sit unused at the end of a run; a budget has room for 300.
 */
const MOST_AT_ONCE = 320;
/**
 * Units that lay in hand for longer than this are not spent but given back: they stand booked at the time of their
 * taking, and Gmail would count them later. The budget allows for this much (see `takeQuota`), and each of these
 * milliseconds is missing from every minute of a backlog.
 */
const KEPT_MS = 300;

/** Takes from the budget; see `takeQuota`. */
export type TakeUnits = (
  least: number,
  most: number,
) => Promise<{ readonly units: number; readonly waitMs: number; readonly second: string }>;

/** Gives back what stood booked at that second and was not spent. Never fails: what is not given back counts as spent. */
export type ReturnUnits = (unspent: { readonly second: string; readonly units: number }) => Promise<void>;

/** Told that Gmail refused a call for its units. @returns true when no more such news is needed */
export type NoteRefusal = () => Promise<boolean>;

export class Purse {
  readonly #take: TakeUnits;
  readonly #giveBack: ReturnUnits;
  readonly #noteRefusal: NoteRefusal;
  readonly #deadline: Deadline;
  readonly #sleep: Sleep;
  readonly #clock: Clock;
  #inHand = 0;
  #takenAtMs = 0;
  #handful: number;
  #spent = 0;
  #lastSecond = '0';
  #isRefused = false;
  /** Nothing more is to be learned from refusals. */
  #isSettled = false;
  /** Payments queue up, so that concurrent ones do not each take a handful. */
  #queue: Promise<void> = Promise.resolve();

  /** `firstHandful`: what the run is likely to spend at least; what is left of it is given back. */
  constructor(options: {
    take: TakeUnits;
    giveBack: ReturnUnits;
    noteRefusal: NoteRefusal;
    deadline: Deadline;
    sleep: Sleep;
    clock: Clock;
    firstHandful?: number;
  }) {
    this.#take = options.take;
    this.#giveBack = options.giveBack;
    this.#noteRefusal = options.noteRefusal;
    this.#handful = options.firstHandful ?? 0;
    this.#deadline = options.deadline;
    this.#sleep = options.sleep;
    this.#clock = options.clock;
  }

  /** Units paid in this run. */
  get spentUnits(): number {
    return this.#spent;
  }

  /** Gives back what is in hand: at the end of a run. Never fails. */
  async empty(): Promise<void> {
    await this.#note().catch(() => undefined);
    await this.#empty();
  }

  async #empty(): Promise<void> {
    const units = this.#inHand;
    this.#inHand = 0;
    if (units > 0) await this.#giveBack({ second: this.#lastSecond, units });
  }

  /** Gmail has refused a call for the units that it would have taken: noted before the next payment, or at the end. */
  refused(): void {
    this.#isRefused = true;
  }

  async #note(): Promise<void> {
    if (!this.#isRefused || this.#isSettled) return;
    this.#isRefused = false;
    this.#isSettled = await this.#noteRefusal();
    // What is in hand was taken by the rule that Gmail has just refused.
    if (this.#isSettled) await this.#empty();
  }

  /** @throws {AppError} out_of_time when the units cannot be had before the deadline */
  async pay(units: number): Promise<void> {
    const turn = this.#queue.then(async () => await this.#payInTurn(units));
    this.#queue = turn.catch(() => undefined);
    await turn;
  }

  async #payInTurn(units: number): Promise<void> {
    await this.#note();
    if (this.#inHand > 0 && this.#clock() - this.#takenAtMs > KEPT_MS) {
      // More than is spent in time is taken in vain.
      this.#handful = Math.max(units, Math.floor(this.#handful / 4));
      await this.#empty();
    }
    while (this.#inHand < units) {
      const missing = units - this.#inHand;
      // The oldest in hand decides; while the hand is empty, the time of asking.
      if (this.#inHand === 0) this.#takenAtMs = this.#clock();
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
