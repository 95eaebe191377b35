/**
 * Works the ledger off: claims what is due, fetches several at once, stores each in its own commit, and writes
 * down how each attempt ended. One message never stops the others.
 */
import { type Claim, claimDue, refundAttempts } from '../db/ledger.ts';
import type { AppError } from '../errors.ts';
import { attemptMessage } from './attempt.ts';
import type { Run } from './run.ts';

/** No message is begun with less time left: most take a fraction of it, and what runs out is handed back. */
const MESSAGE_MS = 1_500;
/**
 * Messages that fail one after another, none succeeding between, for reasons that need not be theirs. Then it is
 * not the messages: the cycle ends as failed, and none of them is charged for it.
 */
const OUTAGE_STREAK = 8;

export type FetchEnd =
  /** Nothing is due any more. */
  | 'idle'
  /** Time to look for live mail; more is due. */
  | 'look_again'
  | 'out_of_time';

/**
 * @param lookAgainAfterMs a backlog is interrupted then
 * @throws {AppError} what ends the whole cycle: lease_lost, database_unavailable, reauth_required, an outage
 */
export async function fetchDue(run: Run, lookAgainAfterMs: number): Promise<FetchEnd> {
  return await new Fetching(run, run.system.clock() + lookAgainAfterMs).toEnd();
}

class Fetching {
  readonly #run: Run;
  readonly #lookAgainAt: number;
  readonly #active = new Set<Promise<void>>();
  #fatal: AppError | null = null;
  #isOutOfTime = false;
  #streak: Claim[] = [];

  constructor(run: Run, lookAgainAt: number) {
    this.#run = run;
    this.#lookAgainAt = lookAgainAt;
  }

  async toEnd(): Promise<FetchEnd> {
    const end = await this.#work();
    if (this.#fatal !== null) throw this.#fatal;
    return end;
  }

  async #work(): Promise<FetchEnd> {
    try {
      for (;;) {
        const reason = this.#reasonToStop();
        if (reason !== null) return reason;
        const free = this.#run.gmail.pacer.limit - this.#active.size;
        // A quarter of the pace at a time: not a statement for each message, and no long gaps either.
        const isWorthAsking =
          free > 0 && (this.#active.size === 0 || free * 4 >= this.#run.gmail.pacer.limit);
        const started = isWorthAsking ? await this.#start(free) : 0;
        if (started === 0 && this.#active.size === 0) return 'idle';
        if (!(isWorthAsking && started === free)) await Promise.race(this.#active);
      }
    } finally {
      await Promise.all(this.#active);
    }
  }

  #reasonToStop(): FetchEnd | null {
    if (this.#fatal !== null) return 'idle';
    if (this.#isOutOfTime || !this.#run.deadline.hasTimeFor(MESSAGE_MS)) return 'out_of_time';
    return this.#run.system.clock() >= this.#lookAgainAt ? 'look_again' : null;
  }

  /** @returns how many were begun */
  async #start(free: number): Promise<number> {
    const ask = {
      runStartedAt: this.#run.startedAt,
      ignoreWaits: this.#run.trigger === 'manual',
    };
    let claims = await claimDue(this.#run.db, this.#run.fence, { ...ask, limit: free, suspects: false });
    // What may have killed its process is read alone, after the others, so that it takes nobody with it.
    if (claims.length === 0 && this.#active.size === 0) {
      claims = await claimDue(this.#run.db, this.#run.fence, { ...ask, limit: 1, suspects: true });
    }
    for (const claim of claims) {
      const task: Promise<void> = this.#attempt(claim).finally(() => this.#active.delete(task));
      this.#active.add(task);
    }
    return claims.length;
  }

  async #attempt(claim: Claim): Promise<void> {
    const result = await attemptMessage(this.#run, claim);
    if (result.end === 'stored' || result.end === 'settled') {
      this.#streak = [];
      return;
    }
    if (result.end === 'out_of_time') this.#isOutOfTime = true;
    if (result.end === 'fatal') this.#fatal ??= result.error;
    if (result.end !== 'failed') return;
    this.#streak.push(claim);
    if (this.#streak.length >= OUTAGE_STREAK && this.#fatal === null) {
      this.#fatal = result.error;
      await refundAttempts(
        this.#run.db,
        this.#run.fence.mailboxId,
        this.#streak.map((one) => one.gmailMessageId),
      ).catch(() => undefined);
    }
  }
}
