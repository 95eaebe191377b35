/**
 * Processes the due messages of the ledger: claims them, fetches several at once, and stores each in its own commit.
 * A failed message is retried later and does not block the others.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Claim, releaseClaims } from '../db/claims.ts';
import type { DueWork } from '../db/due-work.ts';
import { chargeFailures, type DeadLetter } from '../db/failures.ts';
import { hasNewerHint } from '../db/hints.ts';
import type { AppError } from '../errors.ts';
import { QUOTA_COSTS } from '../gmail/quota-costs.ts';
import { waitFactor } from '../retry.ts';
import { MESSAGE_MS, MessageClaims } from './message-claims.ts';
import { processMessage } from './process-message.ts';
import type { RunContext } from './run-context.ts';

const UNITS_PER_MESSAGE = QUOTA_COSTS['users.messages.get'];
/** How often the fetcher checks for a push while it waits for messages in flight. */
const HINT_CHECK_MS = 1_000;

export type FetchEnd =
  /** No message is due, or none can be fetched. */
  | 'idle'
  /** It is time to discover live mail; more messages are due. */
  | 'discovery_due'
  | 'out_of_time';

/** At the end of a run: charges failed attempts to the messages that caused them. @throws {AppError} database_unavailable */
export async function finalizeAttempts(run: RunContext): Promise<void> {
  const charged = run.outage.takeCharged();
  reportDead(run, await chargeFailures(run.db, run.lease, charged, waitFactor(run.random)));
}

export function reportDead(run: RunContext, letters: readonly DeadLetter[]): void {
  for (const letter of letters) {
    run.counts.dead += 1;
    run.log.write('ERROR', 'message_dead', 'A message failed every time; it is tried again once a day', {
      gmail_message_id: letter.gmailMessageId,
      attempt_count: letter.attemptCount,
      error_code: letter.errorCode,
    });
  }
}

/** One per run: messages that hang stay in flight while the run discovers live mail. */
export class MessageFetcher {
  readonly #run: RunContext;
  /** By the instance's monotonic clock, in milliseconds. */
  #discoveryDueMs = 0;
  /** Messages from their claim to the end of their attempt. */
  readonly #active = new Set<Promise<void>>();
  readonly #claims: MessageClaims;
  #error: AppError | null = null;
  #end: FetchEnd | null = null;

  constructor(run: RunContext) {
    this.#run = run;
    this.#claims = new MessageClaims(run);
  }

  get isActive(): boolean {
    return this.#active.size > 0;
  }

  /**
   * Fetches due messages until none is left, or until it is time to discover live mail.
   *
   * @param discoveryAfterMs infinite while nothing can be discovered
   * @throws {AppError} an error that ends the run: lease_lost, database_unavailable, reauth_required, ...
   */
  async fetch(due: DueWork, discoveryAfterMs: number): Promise<FetchEnd> {
    this.#discoveryDueMs = this.#run.clock() + discoveryAfterMs;
    this.#end = null;
    this.#claims.update(due);
    const end = await this.#loop().catch(async (error: unknown) => {
      await Promise.all(this.#active);
      throw this.#error ?? error;
    });
    if (end !== 'discovery_due') await Promise.all(this.#active);
    if (this.#error !== null) throw this.#error;
    return end;
  }

  /** Waits for the messages in flight. @throws {AppError} as `fetch` */
  async finish(): Promise<void> {
    await Promise.all(this.#active);
    if (this.#error !== null) throw this.#error;
  }

  async #loop(): Promise<FetchEnd> {
    for (;;) {
      const reason = this.#reasonToStop();
      if (reason !== null) return reason;
      if (this.#claims.isSuspectOpen) {
        await Promise.all(this.#active);
        continue;
      }
      const limit = this.#run.outage.isOutage ? 1 : this.#run.inFlight.current;
      const free = limit - this.#active.size;
      // Claim at least a quarter of the limit at a time, to avoid one statement per message.
      if (free <= 0 || (this.#active.size > 0 && free < Math.ceil(limit / 4))) {
        await Promise.race(this.#active);
        continue;
      }
      if (this.#run.outage.isOutage && !(await this.#pause())) continue;
      // Read before the claim: a message that ends during it may have been released, or a suspect may be next.
      const wasAlone = this.#active.size === 0;
      const startedCount = await this.#claimAndStart(free, limit);
      if (startedCount > 0) continue;
      if (wasAlone) return this.#reasonToStop() ?? 'idle';
      if (!(await this.#waitForActive())) return 'discovery_due';
    }
  }

  /** @returns false when a push has announced something newer, or it is time to discover live mail */
  async #waitForActive(): Promise<boolean> {
    if (this.#discoveryDueMs === Number.POSITIVE_INFINITY) {
      await Promise.all(this.#active);
      return true;
    }
    const { clock, db, lease } = this.#run;
    const ended = Promise.all(this.#active).then(() => true);
    while (!(await Promise.race([ended, delay(HINT_CHECK_MS, false, { ref: false })]))) {
      if (clock() >= this.#discoveryDueMs || (await hasNewerHint(db, lease.mailboxId))) return false;
    }
    return true;
  }

  #reasonToStop(): FetchEnd | null {
    if (this.#error !== null || this.#run.outage.isHopeless) return 'idle';
    if (this.#end !== null) return this.#end;
    if (!this.#run.deadline.hasTimeFor(MESSAGE_MS)) return 'out_of_time';
    return this.#run.clock() >= this.#discoveryDueMs ? 'discovery_due' : null;
  }

  /** Waits between two calls of an outage. @returns false when the run has no time for it */
  async #pause(): Promise<boolean> {
    const pauseMs = this.#run.outage.takePauseMs();
    if (!this.#run.deadline.hasTimeFor(pauseMs + MESSAGE_MS)) {
      this.#end = 'out_of_time';
      return false;
    }
    await this.#run.sleep(pauseMs);
    return true;
  }

  /** Reserves the units of a batch, claims its messages and releases unused units. @returns how many it started */
  async #claimAndStart(free: number, limit: number): Promise<number> {
    if (!this.#claims.mayHaveMore) return 0;
    const { budget, db, lease } = this.#run;
    const units = await budget.reserve(UNITS_PER_MESSAGE, free * UNITS_PER_MESSAGE);
    const isIdle = this.#active.size === 0;
    const claims = await this.#claims.claim(Math.floor(units / UNITS_PER_MESSAGE), limit, isIdle);
    let startedCount = 0;
    try {
      await budget.release(units - claims.length * UNITS_PER_MESSAGE);
      // The wait for units may have used up the time.
      if (this.#reasonToStop() !== null && claims.length > 0) {
        await budget.release(claims.length * UNITS_PER_MESSAGE);
        await releaseClaims(
          db,
          lease,
          claims.map((claim) => claim.gmailMessageId),
        );
        return 0;
      }
      for (const claim of claims) this.#start(claim);
      startedCount = claims.length;
      return startedCount;
    } finally {
      // Not before its claim is released: another mailbox may then claim a suspect.
      if (startedCount === 0) this.#claims.endSuspect();
    }
  }

  #start(claim: Claim): void {
    this.#claims.noteStarted(claim);
    const task: Promise<void> = this.#process(claim).finally(() => {
      this.#active.delete(task);
    });
    this.#active.add(task);
  }

  async #process(claim: Claim): Promise<void> {
    const { outage } = this.#run;
    const result = await processMessage(this.#run, claim);
    if (result.end === 'resolved') outage.succeeded(claim.gmailMessageId, result.isFetched);
    if (result.end === 'failed')
      outage.failed(claim.gmailMessageId, claim.isEarly ? null : claim.attemptCount);
    if (result.end === 'out_of_time') this.#end ??= 'out_of_time';
    if (result.end === 'fatal') this.#error ??= result.error;
    this.#claims.noteEnded(claim, result.end);
  }
}
