/**
 * Chooses the messages that a run fetches next, and claims them: retries, live messages, then the backlog. A message that may crash its
 * process is claimed while the process has no other message open.
 */
import { type Claim, claimRetries, claimSuspect, claimUntried } from '../db/claims.ts';
import type { DueWork } from '../db/due-work.ts';
import { PRIORITY, type Priority } from '../db/ledger.ts';
import { AppError } from '../errors.ts';
import { withTimeout } from '../timeout.ts';
import type { MessageResult } from './process-message.ts';
import type { RunContext } from './run-context.ts';

/** No message is started with less time left. Most take a fraction of it, and the deadline releases the others. */
export const MESSAGE_MS = 1_500;

/** Messages that were claimed together. `unlock` is called when all have ended. */
export interface Batch {
  readonly claims: readonly Claim[];
  readonly unlock: () => void;
}

/** One per run. */
export class MessageClaims {
  readonly #run: RunContext;
  #activeRetries = 0;
  #isRetryTurn = false;
  // What the ledger may still hold; false after a claim that found the last one.
  #hasUntriedLive = false;
  #hasUntriedBacklog = false;
  #hasRetries = false;
  /** Messages that failed before, due or not. */
  #hasFailed = false;
  #hasSuspects = false;
  #hasLiveSuspects = false;

  constructor(run: RunContext) {
    this.#run = run;
  }

  /** Call it with what the ledger holds now. */
  update(due: DueWork): void {
    this.#hasUntriedLive = due.hasUntriedLive;
    this.#hasUntriedBacklog = due.hasUntriedBacklog;
    this.#hasRetries = due.hasDueRetry || (due.hasWaiting && this.#run.includesWaiting);
    this.#hasFailed = due.hasDueRetry || due.hasWaiting;
    this.#hasSuspects = due.hasSuspect;
    this.#hasLiveSuspects = due.hasSuspect;
  }

  get mayHaveMore(): boolean {
    const hasUntried = this.#hasUntriedLive || this.#hasUntriedBacklog;
    return hasUntried || this.#hasRetries || this.#hasFailed || this.#hasSuspects;
  }

  noteStarted(claim: Claim): void {
    if (claim.isRetry) this.#activeRetries += 1;
  }

  noteEnded(claim: Claim, end: MessageResult['end']): void {
    if (claim.isRetry) this.#activeRetries -= 1;
    if (end === 'resolved' && claim.isProbe) this.#hasRetries = true;
    if (end === 'released') {
      this.#hasUntriedLive ||= claim.priority === PRIORITY.live;
      this.#hasUntriedBacklog ||= claim.priority === PRIORITY.backlog;
      this.#hasRetries ||= claim.isRetry;
    }
  }

  /**
   * Claims live messages first, then the backlog. Crash suspects of each priority follow, one at a time.
   *
   * @param limit of messages in flight
   * @param isIdle the run has no message in flight
   * @returns no claims when none is left, or while a suspect has to wait
   * @throws {AppError} out_of_time, database errors
   */
  async claim(wanted: number, limit: number, isIdle: boolean): Promise<Batch> {
    const { openClaims } = this.#run.app;
    const batch = await this.#locked(
      openClaims.acquire(),
      async () => await this.#claimUnsuspected(wanted, limit),
    );
    if (batch.claims.length > 0 || !isIdle || !this.#hasSuspects) return batch;
    const priority = this.#hasLiveSuspects ? PRIORITY.live : PRIORITY.backlog;
    const suspect = await this.#locked(
      openClaims.acquireAll(),
      async () => await this.#claimSuspect(priority),
    );
    if (suspect.claims.length > 0 || priority === PRIORITY.backlog) return suspect;
    this.#hasLiveSuspects = false;
    // Now the backlog.
    return await this.claim(wanted, limit, isIdle);
  }

  /**
   * Claims under a lock, which the caller holds until the messages have ended.
   *
   * @throws {AppError} out_of_time
   */
  async #locked(granted: Promise<() => void>, claim: () => Promise<readonly Claim[]>): Promise<Batch> {
    const waitMs = Math.max(0, this.#run.deadline.remainingMs() - MESSAGE_MS);
    const unlock = await withTimeout(
      waitMs,
      granted,
      () => new AppError('out_of_time', 'No time left after waiting for a message that is fetched alone.'),
    ).catch((error: unknown) => {
      void granted.then((release) => release());
      throw error;
    });
    try {
      const claims = await claim();
      if (claims.length === 0) unlock();
      return { claims, unlock };
    } catch (error) {
      unlock();
      throw error;
    }
  }

  async #claimUnsuspected(wanted: number, limit: number): Promise<readonly Claim[]> {
    const retries = await this.#claimRetries(wanted, limit);
    const live = await this.#claimUntried(PRIORITY.live, wanted - retries.length);
    const claims = [...retries, ...live];
    // Live suspects are fetched before the backlog starts.
    if (claims.length === 0 && this.#hasLiveSuspects) return [];
    claims.push(...(await this.#claimUntried(PRIORITY.backlog, wanted - claims.length)));
    return claims;
  }

  /** Retries take at most a quarter of the slots: they may hang until they time out. */
  async #claimRetries(wanted: number, limit: number): Promise<Claim[]> {
    const { db, lease, includesWaiting, outage, startedAt: runStartedAt } = this.#run;
    if (wanted === 1 && this.#hasUntriedLive) {
      // With one slot, retries and live messages take turns.
      this.#isRetryTurn = !this.#isRetryTurn;
      if (this.#isRetryTurn) return [];
    }
    if (this.#hasFailed && outage.takeProbe()) {
      const probe = await claimRetries(db, lease, { limit: 1, runStartedAt, includesWaiting: true });
      return probe.map((claim) => ({ ...this.#uncharged(claim), isProbe: true }));
    }
    const free = Math.max(1, Math.floor(limit / 4)) - this.#activeRetries;
    // Most of them wait for the bucket, and each retry would fetch a large message in vain.
    if (this.#run.app.largeBytes?.isPaused) return [];
    if (!this.#hasRetries || free <= 0) return [];
    const claims = await claimRetries(db, lease, {
      limit: Math.min(wanted, free),
      runStartedAt,
      includesWaiting,
    });
    if (claims.length === 0) this.#hasRetries = false;
    return claims.map((claim) => this.#uncharged(claim));
  }

  /** A run that includes waiting messages changes neither their attempt counts nor their next attempts, due or not. */
  #uncharged(claim: Claim): Claim {
    return this.#run.includesWaiting ? { ...claim, isEarly: true } : claim;
  }

  async #claimUntried(priority: Priority, limit: number): Promise<readonly Claim[]> {
    const isLive = priority === PRIORITY.live;
    if (limit <= 0 || !(isLive ? this.#hasUntriedLive : this.#hasUntriedBacklog)) return [];
    const { claims, isLast } = await claimUntried(this.#run.db, this.#run.lease, { priority, limit });
    if (isLast && isLive) this.#hasUntriedLive = false;
    if (isLast && !isLive) this.#hasUntriedBacklog = false;
    return claims;
  }

  async #claimSuspect(priority: Priority): Promise<Claim[]> {
    const claims = await claimSuspect(this.#run.db, this.#run.lease, priority);
    if (claims.length === 0 && priority === PRIORITY.backlog) this.#hasSuspects = false;
    return claims;
  }
}
