/**
 * Chooses the messages that a run fetches next, and claims them: retries, live messages, then the backlog. A message that may crash its
 * process is fetched alone in its mailbox, and no other one in the process.
 */
import { type Claim, claimRetries, claimSuspect, claimUntried } from '../db/claims.ts';
import type { DueWork } from '../db/due-work.ts';
import { PRIORITY, type Priority } from '../db/ledger.ts';
import type { MessageResult } from './process-message.ts';
import type { RunContext } from './run-context.ts';

/** No message is started with less time left. Most take a fraction of it, and the deadline releases the others. */
export const MESSAGE_MS = 1_500;

/** How long a run waits while another mailbox of the process fetches a suspect. Then it leaves its own ones to a later run. */
const SUSPECT_WAIT_MS = 1_000;

/** One per run. */
export class MessageClaims {
  readonly #run: RunContext;
  #activeRetries = 0;
  #isRetryTurn = false;
  #isSuspectTurn = false;
  // What the ledger may still hold; false after a claim that found the last one.
  #hasUntriedLive = false;
  #hasUntriedBacklog = false;
  #hasRetries = false;
  /** Messages that failed before, due or not. */
  #hasFailed = false;
  #hasSuspects = false;
  #hasLiveSuspects = false;
  /** Releases the permit of the suspect that is being fetched; null without one. */
  #releaseSuspect: (() => void) | null = null;

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

  /** A suspect is being fetched: no other message may start. */
  get isSuspectOpen(): boolean {
    return this.#releaseSuspect !== null;
  }

  noteStarted(claim: Claim): void {
    if (claim.isRetry) this.#activeRetries += 1;
  }

  noteEnded(claim: Claim, end: MessageResult['end']): void {
    if (claim.isRetry) this.#activeRetries -= 1;
    this.endSuspect();
    if (end === 'resolved' && claim.isProbe) this.#hasRetries = true;
    if (end === 'released') {
      this.#hasUntriedLive ||= claim.priority === PRIORITY.live;
      this.#hasUntriedBacklog ||= claim.priority === PRIORITY.backlog;
      this.#hasRetries ||= claim.isRetry;
    }
  }

  /** Call it when a claimed suspect is not started. */
  endSuspect(): void {
    this.#releaseSuspect?.();
    this.#releaseSuspect = null;
  }

  /**
   * Claims live messages first, then the backlog. Crash suspects of each priority follow, one at a time. While many messages fail, live
   * suspects and the others take turns, because failing retries can use up every run.
   *
   * @param limit of messages in flight
   * @param isIdle the run has no message in flight
   * @returns no claims when none is left, or while a suspect has to wait
   * @throws {AppError} database errors
   */
  async claim(wanted: number, limit: number, isIdle: boolean): Promise<readonly Claim[]> {
    if (isIdle && this.#run.outage.isOutage && this.#hasLiveSuspects) {
      this.#isSuspectTurn = !this.#isSuspectTurn;
      const suspect = this.#isSuspectTurn ? await this.#claimSuspect(PRIORITY.live) : [];
      if (suspect.length > 0) return suspect;
    }
    const retries = await this.#claimRetries(wanted, limit);
    const live = await this.#claimUntried(PRIORITY.live, wanted - retries.length);
    const claims = [...retries, ...live];
    if (claims.length === 0 && this.#hasLiveSuspects) {
      // Live suspects are fetched before the backlog, unless another mailbox of the process fetches one.
      if (!isIdle) return [];
      const suspect = await this.#claimSuspect(PRIORITY.live);
      if (suspect.length > 0) return suspect;
      this.#hasLiveSuspects = false;
    }
    claims.push(...(await this.#claimUntried(PRIORITY.backlog, wanted - claims.length)));
    if (claims.length > 0 || !isIdle) return claims;
    return await this.#claimSuspect(PRIORITY.backlog);
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
    if (this.#run.largeBytes?.isPaused) return [];
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

  async #claimSuspect(priority: Priority): Promise<readonly Claim[]> {
    const { db, lease, suspects } = this.#run;
    if (!this.#hasSuspects) return [];
    this.#releaseSuspect = await suspects.acquireWithin(SUSPECT_WAIT_MS);
    if (this.#releaseSuspect === null) {
      this.#hasSuspects = false;
      return [];
    }
    let claims: readonly Claim[] = [];
    try {
      claims = await claimSuspect(db, lease, priority);
    } finally {
      if (claims.length === 0) this.endSuspect();
    }
    if (claims.length === 0 && priority === PRIORITY.backlog) this.#hasSuspects = false;
    return claims;
  }
}
