/**
 * Processes one message: fetches and stores it, or attributes its failure to the message or to the system (section
 * "Failures" in docs/decisions.md). Never throws.
 * Invariant: every claim is ended exactly once here, unless the lease or the database is lost.
 */
import { type Claim, releaseClaims, resolveClaim } from '../db/claims.ts';
import { recordFailure, wakeWaiting } from '../db/failures.ts';
import { PRIORITY } from '../db/ledger.ts';
import { isStatementTooHeavy } from '../db/pg-error.ts';
import {
  AppError,
  isBucketError,
  isDatabaseError,
  isOutOfTime,
  requiresOperator,
  stackOf,
  toAppError,
} from '../errors.ts';
import type { RawMessage } from '../gmail/gmail-client.ts';
import { waitFactor } from '../retry.ts';
import { type Rule, ruleForFetched } from './label-rules.ts';
import type { RunContext } from './run-context.ts';
import { withDatabaseRetries } from './run-lease.ts';
import { storeMessage } from './store-message.ts';

/** A message older than this at its discovery was imported, so its age says nothing about the latency. */
const IMPORTED_AGE_MS = 6 * 3_600_000;

/** A call that the run cuts sooner says nothing about its message. */
const UNANSWERED_MS = 2_000;

export type MessageResult =
  /** Stored, ignored by a rule, or gone. */
  | { readonly end: 'resolved'; readonly isFetched: boolean }
  /** The attempt failed. Whether it is charged is decided at the end of the run. */
  | { readonly end: 'failed' }
  /** It was fetched, but the bucket did not take its large bytes. It waits, and is not charged. */
  | { readonly end: 'bucket_failed' }
  /** Not attempted, or rate limited: the message is due as before. */
  | { readonly end: 'released' }
  | { readonly end: 'out_of_time' }
  /** No message can be fetched or stored at present. */
  | { readonly end: 'fatal'; readonly error: AppError };

export async function processMessage(run: RunContext, claim: Claim): Promise<MessageResult> {
  const epoch = run.inFlight.epoch;
  try {
    return await fetchAndStore(run, claim);
  } catch (thrown) {
    const error = toAppError(thrown);
    if (error.code === 'gmail_rate_limited') run.inFlight.onRateLimited(epoch);
    try {
      return await endFailedAttempt(run, claim, error);
    } catch (again) {
      return { end: 'fatal', error: toAppError(again) };
    }
  }
}

async function fetchAndStore(run: RunContext, claim: Claim): Promise<MessageResult> {
  let releaseLarge: (() => void) | null = null;
  try {
    const message = await getRawMessage(run, claim.gmailMessageId, async () => {
      releaseLarge ??= await run.largeBodies.acquireWithin(run.deadline.remainingMs());
      return releaseLarge !== null;
    });
    run.inFlight.onSuccess();
    const rule = ruleFor(run, claim, message);
    if (rule === null) await store(run, claim, message);
    else {
      await resolveClaim(run.db, run.lease, claim.gmailMessageId, { state: 'ignored', rule });
      run.counts.ignored += 1;
    }
    // The probe succeeded, so the other waiting messages may succeed too. A run that includes waiting messages leaves
    // their next attempts unchanged.
    if (claim.isProbe && !run.includesWaiting) await wakeWaiting(run.db, run.lease);
    return { end: 'resolved', isFetched: true };
  } finally {
    (releaseLarge as (() => void) | null)?.();
  }
}

/**
 * A call that began in the first half of the run and has no answer at its end failed: its message would otherwise use up every run
 * without an error. The wait for another large message is not part of the call.
 *
 * @param waitForLarge false: other large messages took the time
 */
async function getRawMessage(
  run: RunContext,
  id: string,
  waitForLarge: () => Promise<boolean>,
): Promise<RawMessage> {
  const { deadline } = run;
  let beganMs = deadline.remainingMs();
  try {
    return await run.gmail.getRawMessage(run.call, id, async () => {
      const isGranted = await waitForLarge();
      beganMs = deadline.remainingMs();
      if (!isGranted) throw new AppError('out_of_time', 'Other large messages took the time.');
    });
  } catch (thrown) {
    const error = toAppError(thrown);
    if (error.code !== 'out_of_time' || beganMs < Math.max(UNANSWERED_MS, deadline.lengthMs / 2)) throw error;
    const detail = 'users.messages.get: no whole answer within the time of the run.';
    throw new AppError('gmail_unavailable', detail, { cause: error });
  }
}

async function store(run: RunContext, claim: Claim, message: RawMessage): Promise<void> {
  const storedAt = await storeMessage(run, claim, message);
  run.publisher?.noteStored();
  // Another instance has stored it.
  if (storedAt === null) return;
  run.counts.stored += 1;
  run.wakeUp.onStored();
  recordLatency(run, claim, message, storedAt);
}

/**
 * Records the time of a live message from Gmail's acceptance to its commit. Excludes listed and imported messages and those
 * that a changed label setting made pending again. Records nothing with a configured label, which a message may get long
 * after Gmail accepted it.
 */
function recordLatency(run: RunContext, claim: Claim, { internalDate }: RawMessage, storedAt: Date): void {
  if (claim.source !== 'history' || claim.priority !== PRIORITY.live) return;
  if (run.config.labelId !== null || internalDate === null) return;
  if (claim.discoveredAt.getTime() - internalDate.getTime() > IMPORTED_AGE_MS) return;
  // Gmail's clock may be ahead of the database's.
  const tookMs = Math.max(0, storedAt.getTime() - internalDate.getTime());
  run.counts.arrivalToStoredMaxMs = Math.max(tookMs, run.counts.arrivalToStoredMaxMs ?? 0);
}

function ruleFor(run: RunContext, claim: Claim, message: RawMessage): Rule | null {
  const labels = new Set(message.labelIds);
  // It carried the label when the listing found it, even if a person has removed the label since.
  if (claim.listedLabelId !== null) labels.add(claim.listedLabelId);
  const rule = claim.labelsUnknown ? ruleForFetched(labels, run.label) : null;
  if (rule === null && wasIgnored(claim) && labels.has('TRASH')) return 'trash';
  const isRequested = claim.hasHistoryRecord || claim.source === 'initial' || claim.source === 'backfill';
  return rule ?? (!isRequested && arrivedBeforeStart(run, message) ? 'before_start' : null);
}

/**
 * The history showed the message as spam or as a draft, and a reconciliation lists it now. It was moved to the trash if it is
 * there, and not received: the history would have shown that it left spam for the inbox.
 */
function wasIgnored({ hasHistoryRecord, labelsUnknown, listedLabelId, source }: Claim): boolean {
  return source === 'reconciliation' && hasHistoryRecord && labelsUnknown && listedLabelId === null;
}

/**
 * Listings by date begin a second early, and labels of old messages change. With a configured label the date does not count,
 * because an old message can get the label.
 */
function arrivedBeforeStart(run: RunContext, { internalDate }: RawMessage): boolean {
  return run.config.labelId === null && internalDate !== null && internalDate < run.mailboxCreatedAt;
}

async function endFailedAttempt(run: RunContext, claim: Claim, error: AppError): Promise<MessageResult> {
  const { db, lease } = run;
  const { gmailMessageId } = claim;
  if (error.code === 'lease_lost') return { end: 'fatal', error };
  if (error.code === 'message_gone') {
    await resolveClaim(db, lease, gmailMessageId, { state: 'gone' });
    run.counts.gone += 1;
    return { end: 'resolved', isFetched: false };
  }
  if (await isSystemError(run, error)) {
    await withDatabaseRetries(run, async () => await releaseClaims(db, lease, [gmailMessageId]));
    if (isOutOfTime(error.code)) return { end: 'out_of_time' };
    return error.code === 'gmail_rate_limited' ? { end: 'released' } : { end: 'fatal', error };
  }
  await recordFailure(db, lease, {
    gmailMessageId,
    code: isDatabaseError(error.code) ? 'unstorable' : error.code,
    detail: error.message,
    isEarly: claim.isEarly,
    jitter: waitFactor(run.random),
  });
  run.counts.failed += 1;
  run.log.write('WARNING', 'message_failed', 'A message could not be fetched or stored', {
    gmail_message_id: gmailMessageId,
    attempt_count: claim.attemptCount,
    error_code: error.code,
    detail: error.message,
    stack: stackOf(error),
  });
  return { end: isBucketError(error.code) ? 'bucket_failed' : 'failed' };
}

/** True when every message would meet the error. A statement that is too heavy is not, if the database still works. */
async function isSystemError(run: RunContext, error: AppError): Promise<boolean> {
  const { code } = error;
  if (isOutOfTime(code) || code === 'gmail_rate_limited' || code === 'gmail_daily_limit') return true;
  if (requiresOperator(code)) return true;
  if (!isDatabaseError(code)) return false;
  if (!isStatementTooHeavy(error)) return true;
  return await run.db.query('select 1').then(
    () => false,
    () => true,
  );
}
