/**
 * Works the ledger off: claims what is due, fetches several at once, stores each in its own commit, and writes
 * down how each attempt ended. One message never stops the others.
 */

import { type Claim, type ClaimQuery, claimDue, hasLiveSuspects, refundAttempts } from '../db/attempts.ts';
import { buryExhausted } from '../db/dead-messages.ts';
import { AppError } from '../errors.ts';
import { attemptMessage, MAX_ATTEMPTS } from './attempt.ts';
import { type Lane, Lanes } from './lanes.ts';
import type { Run } from './run.ts';

/** No message is begun with less time left: most take a fraction of it, and what runs out is handed back. */
const MESSAGE_MS = 1_500;

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

/**
 * Once nothing is in flight: hands back what an outage has cost, then gives up what has used its attempts, and says
 * so. @throws {AppError} database_unavailable
 */
export async function settleAccounts(run: Run): Promise<void> {
  if (run.streak.isOutage) await refundAttempts(run.db, run.fence, run.streak.charged);
  const rule = { maxAttempts: MAX_ATTEMPTS, runStartedAt: run.startedAt };
  for (const dead of await buryExhausted(run.db, run.fence, rule)) {
    run.counts.dead += 1;
    run.log.write('ERROR', 'message_dead', 'A message failed every time and is given up', {
      gmail_message_id: dead.gmailMessageId,
      attempt: dead.attempts,
      error_code: dead.errorCode,
    });
  }
}

/**
 * Claimed, for each place in flight, and not called for yet: three quarters. They wait for a place or for units, so that
 * neither waits for a claim; few enough that a backlog without units does not hold up the next look for live mail.
 */
const AHEAD_SHARE = 0.75;

class Fetching {
  readonly #run: Run;
  readonly #lookAgainAt: number;
  /** From the claim to the end of the attempt. */
  readonly #active = new Set<Promise<void>>();
  readonly #lanes: Lanes;
  #fatal: AppError | null = null;
  #end: FetchEnd | null = null;
  /**
   * Nothing more is claimed before what is begun has ended: the last claim gave less than was asked for, or a message that is
   * read alone.
   */
  #isDry = false;
  /** Live mail that may have killed its process is still to be read. */
  #hasLiveSuspects = false;

  constructor(run: Run, lookAgainAt: number) {
    this.#run = run;
    this.#lookAgainAt = lookAgainAt;
    this.#lanes = new Lanes(() => run.gmail.pacer.limit);
  }

  async toEnd(): Promise<FetchEnd> {
    const { db, fence, startedAt } = this.#run;
    this.#hasLiveSuspects = await hasLiveSuspects(db, fence.mailboxId, startedAt);
    const end = await this.#work();
    if (this.#fatal !== null) throw this.#fatal;
    return end;
  }

  async #work(): Promise<FetchEnd> {
    try {
      for (;;) {
        const reason = this.#reasonToStop();
        if (reason !== null) return reason;
        if (this.#active.size === 0) this.#isDry = false;
        const wanted = this.#wanted();
        const started = wanted > 0 ? await this.#start(wanted) : 0;
        if (started < wanted) this.#isDry = true;
        if (this.#active.size === 0) {
          if (started === 0) return 'idle';
        } else if (wanted === 0 || this.#isDry) await this.#lanes.moved();
      }
    } finally {
      await Promise.all(this.#active);
    }
  }

  /** How many to claim now; half of what may wait at a time: not a statement for each message, and no gaps either. */
  #wanted(): number {
    if (this.#isDry) return 0;
    const ahead = Math.ceil(this.#run.gmail.pacer.limit * AHEAD_SHARE);
    const waiting = this.#active.size - this.#lanes.enteredCount;
    const wanted = ahead - waiting;
    return wanted >= Math.ceil(ahead / 2) ? wanted : 0;
  }

  /** Once there is a reason it stays the same: what is handed back for it is no other. */
  #reasonToStop(): FetchEnd | null {
    this.#end ??= this.#findEnd();
    return this.#end;
  }

  #findEnd(): FetchEnd | null {
    if (this.#fatal !== null) return 'idle';
    if (!this.#run.deadline.hasTimeFor(MESSAGE_MS)) return 'out_of_time';
    return this.#run.system.clock() >= this.#lookAgainAt ? 'look_again' : null;
  }

  /** @returns how many were begun */
  async #start(wanted: number): Promise<number> {
    const claims = await this.#next(wanted);
    for (const claim of claims) {
      const lane = this.#lanes.lane();
      const task: Promise<void> = this.#attempt(claim, this.#entry(lane)).finally(() => {
        this.#active.delete(task);
        lane.leave();
      });
      this.#active.add(task);
    }
    return claims.length;
  }

  /** What is not called for yet when the fetching ends is handed back: it would only put off what comes next. */
  #entry(lane: Lane): Lane['enter'] {
    let isBegun = false;
    return async () => {
      const leave = await lane.enter();
      isBegun ||= this.#reasonToStop() === null;
      if (isBegun) return leave;
      leave(false);
      throw new AppError('out_of_time', 'The fetching has ended.');
    };
  }

  /**
   * What may have killed its process is read alone, after what is of its own priority, so that it takes nobody
   * with it: live mail of that kind before any backlog, backlog at the very end.
   */
  async #next(limit: number): Promise<Claim[]> {
    if (this.#hasLiveSuspects) {
      const live = await this.#claim({ limit, suspects: false, liveOnly: true });
      if (live.length > 0 || this.#active.size > 0) return live;
      const suspects = await this.#claimSuspect({ liveOnly: true });
      if (suspects.length > 0) return suspects;
      this.#hasLiveSuspects = false;
    }
    const claims = await this.#claim({ limit, suspects: false });
    if (claims.length > 0 || this.#active.size > 0) return claims;
    return await this.#claimSuspect({});
  }

  /** Nothing is begun beside it: the next claim comes when it has ended. */
  async #claimSuspect(which: { readonly liveOnly?: boolean }): Promise<Claim[]> {
    const suspects = await this.#claim({ ...which, limit: 1, suspects: true });
    if (suspects.length > 0) this.#isDry = true;
    return suspects;
  }

  async #claim(which: Pick<ClaimQuery, 'limit' | 'suspects' | 'liveOnly'>): Promise<Claim[]> {
    const { db, fence, startedAt, ignoresWaits } = this.#run;
    return await claimDue(db, fence, {
      ...which,
      runStartedAt: startedAt,
      ignoreWaits: ignoresWaits,
    });
  }

  async #attempt(claim: Claim, enter: Lane['enter']): Promise<void> {
    const { streak } = this.#run;
    const result = await attemptMessage(this.#run, claim, enter);
    if (result.end === 'stored' || result.end === 'settled') {
      streak.succeeded();
      return;
    }
    if (result.end === 'out_of_time') this.#end ??= 'out_of_time';
    if (result.end === 'fatal') this.#fatal ??= result.error;
    if (result.end !== 'failed') return;
    streak.failed(claim.gmailMessageId, result.isCharged);
    if (streak.isOutage) this.#fatal ??= result.error;
  }
}
