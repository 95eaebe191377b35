/**
 * Quota units in hand. Taken from the budget on the mailbox row in handfuls, so that not every call asks the
 * database: small at first (a quiet poll takes what it spends), doubling while a backlog lasts. In a backlog the next
 * handful is asked for before the last is spent: all calls in flight would wait for it, a tenth of the emails a second.
 */
import type { Clock, Deadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import type { Sleep } from '../retry.ts';

/** Sixteen messages, as many as are called for at once. More would sit unused at the end of a run; a budget has room for 300. */
const MOST_AT_ONCE = 320;
/**
 * Two messages: enough for the time of an asking. Earlier, and units get too old in hand where Gmail answers in a quarter of
 * a second: twice the askings, a tenth of the units given back.
 */
const ASK_AHEAD_AT = 40;
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

interface Handful {
  units: number;
  readonly second: string;
  /** When it was asked for: it is booked then at the earliest. */
  readonly askedAtMs: number;
}

export class Purse {
  readonly #take: TakeUnits;
  readonly #giveBack: ReturnUnits;
  readonly #noteRefusal: NoteRefusal;
  readonly #deadline: Deadline;
  readonly #sleep: Sleep;
  readonly #clock: Clock;
  /** Spent from the oldest on. */
  #hand: Handful[] = [];
  /** Asked for ahead; gives null when there was nothing. */
  #coming: Promise<Handful | null> | null = null;
  #handful: number;
  #spent = 0;
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

  get #inHand(): number {
    return this.#hand.reduce((sum, { units }) => sum + units, 0);
  }

  /** Gives back what is in hand: at the end of a run. Never fails. */
  async empty(): Promise<void> {
    await this.#note().catch(() => undefined);
    await this.#returnAll();
  }

  async #returnAll(): Promise<void> {
    await this.#receive();
    await this.#return(this.#hand.splice(0));
  }

  async #return(handfuls: readonly Handful[]): Promise<void> {
    for (const { second, units } of handfuls) await this.#giveBack({ second, units });
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
    if (this.#isSettled) await this.#returnAll();
  }

  /** @throws {AppError} out_of_time when the units cannot be had before the deadline */
  async pay(units: number): Promise<void> {
    const turn = this.#queue.then(async () => await this.#payInTurn(units));
    this.#queue = turn.catch(() => undefined);
    await turn;
  }

  async #payInTurn(units: number): Promise<void> {
    await this.#note();
    await this.#returnOld(units);
    while (this.#inHand < units) {
      if (await this.#receive()) {
        await this.#returnOld(units);
        continue;
      }
      const missing = units - this.#inHand;
      const { handful, waitMs } = await this.#ask(missing);
      if (handful !== null) this.#hand.push(handful);
      else {
        if (!this.#deadline.hasTimeFor(waitMs)) {
          throw new AppError('out_of_time', 'The quota of the running minute is spent.');
        }
        await this.#sleep(waitMs);
        await this.#returnOld(units);
      }
    }
    this.#spend(units);
    if (this.#handful === MOST_AT_ONCE && this.#inHand <= ASK_AHEAD_AT) this.#askAhead(units);
  }

  async #returnOld(units: number): Promise<void> {
    const now = this.#clock();
    const isOld = ({ askedAtMs }: Handful): boolean => now - askedAtMs > KEPT_MS;
    const old = this.#hand.filter(isOld);
    if (old.length === 0) return;
    // More than is spent in time is taken in vain.
    this.#handful = Math.max(units, Math.floor(this.#handful / 4));
    this.#hand = this.#hand.filter((handful) => !isOld(handful));
    await this.#return(old);
  }

  async #ask(least: number): Promise<{ readonly handful: Handful | null; readonly waitMs: number }> {
    const askedAtMs = this.#clock();
    const { units, second, waitMs } = await this.#take(least, Math.max(least, this.#handful));
    if (units === 0) return { handful: null, waitMs };
    this.#handful = Math.min(MOST_AT_ONCE, units * 2);
    return { handful: { units, second, askedAtMs }, waitMs: 0 };
  }

  #askAhead(units: number): void {
    if (this.#coming !== null) return;
    this.#coming = this.#ask(units).then(
      ({ handful }) => handful,
      // If it lasts, who asks in turn hears of it.
      () => null,
    );
  }

  /** Into the hand what was asked for ahead. @returns false when nothing was, or there was nothing */
  async #receive(): Promise<boolean> {
    const coming = this.#coming;
    this.#coming = null;
    const handful = await coming;
    if (handful) this.#hand.push(handful);
    return handful !== null;
  }

  #spend(units: number): void {
    this.#spent += units;
    let due = units;
    for (const handful of this.#hand) {
      const part = Math.min(due, handful.units);
      handful.units -= part;
      due -= part;
    }
    this.#hand = this.#hand.filter((handful) => handful.units > 0);
  }
}
