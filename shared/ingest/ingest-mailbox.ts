/**
 * The entry point of poll, push and poll-now: takes the lease, runs the sync loop, releases the lease and records the run.
 */
import { randomUUID } from 'node:crypto';
import { releaseClaims } from '../db/claims.ts';
import { sweepOpenClaims } from '../db/failures.ts';
import type { Lease, TakenLease } from '../db/lease.ts';
import {
  type Mailbox,
  type MailboxState,
  type RunState,
  readAddedMailbox,
  readFirstMailbox,
} from '../db/mailboxes.ts';
import { recordCredentials } from '../db/monitor-status.ts';
import { planFullReconciliation } from '../db/reconciliation.ts';
import { noCounts, type RunCounts } from '../db/runs.ts';
import { Deadline } from '../deadline.ts';
import { AppError, isDatabaseError, toAppError } from '../errors.ts';
import type { GmailClient } from '../gmail/gmail-client.ts';
import { formerAddress } from '../mailbox-confirmation.ts';
import { waitFactor } from '../retry.ts';
import { callOutsideRun } from './call-outside-run.ts';
import { reportDead } from './fetch-messages.ts';
import { identifyMailbox } from './identify-mailbox.ts';
import type { IngestContext, Outcome } from './ingest-context.ts';
import { recordRunEnd, recordUnidentifiedFailure } from './record-run-end.ts';
import { labelOf } from './resolve-label.ts';
import { createRun, type RunContext, type RunRequest } from './run-context.ts';
import { openRun, startLeaseHeartbeat } from './run-lease.ts';
import { type LoopEnd, runSyncLoop } from './sync-loop.ts';

/** Time reserved for the end of the run: recording it and releasing the lease. */
const RESERVE_MS = 3_000;
/** The most of a short invocation that is reserved, so that it can still fetch. */
const RESERVED_SHARE = 0.25;

export interface IngestRequest extends RunRequest {
  /** When the invocation itself ends. */
  readonly deadline: Deadline;
  /** Reconcile everything since the first start, not only the latest days. */
  readonly reconcile?: 'all';
  /**
   * Of a scheduled run that `poll` asked for earlier: the begin of the last run that it saw, null for none. If another run has
   * begun since, that one did the work.
   */
  readonly lastRunAt?: Date | null | undefined;
}

export interface IngestReport {
  readonly outcome: Outcome;
  readonly counts: Readonly<RunCounts>;
  /** Why the outcome is `failed`; null otherwise. Emails stored before the error remain stored. */
  readonly error: AppError | null;
}

/** Safe to call at any time, from any number of instances. @throws {AppError} database errors */
export async function ingestMailbox(app: IngestContext, request: IngestRequest): Promise<IngestReport> {
  const { gmail } = app;
  if (gmail === null) {
    if (!app.config.areCredentialsHeldElsewhere) await recordCredentials(app.db, null);
    return skipped(app, request, 'not_configured');
  }
  const isManual = request.trigger === 'manual';
  const invocationMs = request.deadline.remainingMs();
  const reserveMs = Math.min(RESERVE_MS, invocationMs * RESERVED_SHARE);
  const deadline = Deadline.after(invocationMs - reserveMs, app.clock);
  const known = await readKnown(app);
  if (known === null) return skipped(app, request, 'not_configured');
  if (known.mustRecord) await recordCredentials(app.db, app.credentialFingerprint);
  if (!isManual && !known.isRunning) return skipped(app, request, 'stopped');
  if (!isManual && known.isPaused) return skipped(app, request, 'paused');

  let { mailbox, isKnownAccess } = known;
  if (mailbox === null) {
    if (!isManual && !known.isAttemptDue) return skipped(app, request, 'not_due');
    try {
      await identifyMailbox(app, callOutsideRun(app, null, deadline));
    } catch (thrown) {
      const error = withoutAnswer(toAppError(thrown));
      await recordUnidentifiedFailure(app, request.trigger, error);
      return { outcome: 'failed', counts: noCounts(), error };
    }
    mailbox = (await readKnown(app))?.mailbox ?? null;
    isKnownAccess = true;
  }
  // Other credentials of the account took the mailbox over in the meantime: their instance works on it.
  if (mailbox === null) return skipped(app, request, 'busy');
  if (!isManual && hasRunSince(mailbox, request.lastRunAt)) return skipped(app, request, 'not_due');
  const isDue = request.trigger === 'push' ? mailbox.isPushDue : mailbox.isPollDue;
  if (!isManual && !isDue) return skipped(app, request, 'not_due');
  // Planned before the lease is taken: the holder lists it.
  if (request.reconcile === 'all') await planFullReconciliation(app.db, mailbox.id);
  const { hasUnpublished } = known;
  return await ingestUnderLease(app, request, { gmail, mailbox, isKnownAccess, hasUnpublished, deadline });
}

interface Known extends RunState {
  /** The status row has to name the credentials of the first mailbox. */
  readonly mustRecord: boolean;
  /** The mailbox row names the access, and has an address. */
  readonly isKnownAccess: boolean;
  /** A mailbox without a row may be identified now. */
  readonly isAttemptDue: boolean;
}

/** @returns null when an added mailbox was removed */
async function readKnown({ credentialFingerprint, db, settings }: IngestContext): Promise<Known | null> {
  if (settings === null) {
    const { areCredentialsRecorded, ...known } = await readFirstMailbox(db, credentialFingerprint ?? '');
    const isKnownAccess = hasAddress(known.mailbox);
    return { ...known, mustRecord: !areCredentialsRecorded, isKnownAccess, isAttemptDue: true };
  }
  const known = await readAddedMailbox(db, settings.id, credentialFingerprint);
  if (known === null) return null;
  // While the access cannot be read, the run fails with the reason.
  const isKnownAccess = (known.isKnownAccess && hasAddress(known.mailbox)) || credentialFingerprint === null;
  return { ...known, mustRecord: false, isKnownAccess };
}

/** False: another mailbox has its address now. Nothing is fetched before Gmail says which address the account has. */
function hasAddress(mailbox: Mailbox | null): boolean {
  return mailbox === null || formerAddress(mailbox.emailAddress) === null;
}

/** Compares two readings of one column, because the clocks of the database and of Pub/Sub may differ. */
function hasRunSince({ lastRunAt }: MailboxState, knownRunAt: Date | null | undefined): boolean {
  return knownRunAt !== undefined && lastRunAt?.getTime() !== knownRunAt?.getTime();
}

async function ingestUnderLease(
  app: IngestContext,
  request: IngestRequest,
  at: {
    readonly gmail: GmailClient;
    readonly mailbox: Mailbox;
    readonly isKnownAccess: boolean;
    readonly hasUnpublished: boolean;
    readonly deadline: Deadline;
  },
): Promise<IngestReport> {
  const beganMs = app.clock();
  const lease: Lease = { mailboxId: at.mailbox.id, token: randomUUID() };
  const taken = await openRun(app, lease, request.trigger);
  if (taken === null) return skipped(app, request, 'busy');

  const stopHeartbeat = startLeaseHeartbeat(app.db, lease);
  const run = createRun(app, request, { ...at, beganMs, lease, taken });
  try {
    for (let isFirst = true; ; isFirst = false) {
      const end = await workUnderLease(run, taken, isFirst, at.isKnownAccess);
      await Promise.all([run.budget.finish(), run.wakeUp.finish(), publishRest(run, end)]);
      run.counts.quotaUnits = run.budget.spentUnits;
      if ((await recordRunEnd(run, end)) === 'recorded')
        return { outcome: end.outcome, counts: run.counts, error: end.error };
    }
  } finally {
    stopHeartbeat();
    await run.publisher?.stop();
  }
}

/** Publishes the emails of the run before the lease is released. A newer hint does not wait for it: it starts another round. */
async function publishRest({ publisher }: RunContext, end: LoopEnd): Promise<void> {
  // Without the database, the outbox waits for the next run.
  if (publisher === null || (end.error !== null && isDatabaseError(end.error.code))) return;
  await (end.releasesAnyway ? publisher.flush() : publisher.flushUntilHint());
}

async function workUnderLease(
  run: RunContext,
  taken: TakenLease,
  isFirst: boolean,
  isKnownAccess: boolean,
): Promise<LoopEnd> {
  try {
    if (isFirst && !isKnownAccess) {
      const identified = await identifyMailbox(run, run.call);
      // The account has another row. The next run works on that one.
      if (identified.id !== run.lease.mailboxId)
        return { outcome: 'completed', error: null, releasesAnyway: true };
    }
    if (isFirst && taken.hasOpenClaims) {
      for (const lease of run.unreleasedLeases) await releaseClaims(run.db, lease);
      run.unreleasedLeases.clear();
      reportDead(run, await sweepOpenClaims(run.db, run.lease, waitFactor(run.random)));
    }
    if (isFirst) run.label = await labelOf(run, taken.label);
    return await runSyncLoop(run);
  } catch (thrown) {
    const error = toAppError(thrown);
    // Without any answer from Gmail the run has failed, unless it waited for quota units.
    if (error.code === 'quota_used_up' || (error.code === 'out_of_time' && run.hasHistoryAnswer))
      return { outcome: 'out_of_time', error: null, releasesAnyway: true };
    return { outcome: 'failed', error: withoutAnswer(error), releasesAnyway: true };
  }
}

/** The error of a run that Gmail has not answered: its time being used up is then a failure of Gmail. */
function withoutAnswer(error: AppError): AppError {
  if (error.code !== 'out_of_time') return error;
  return new AppError('gmail_unavailable', 'Gmail did not answer within the time of the run.', {
    cause: error,
  });
}

function skipped(app: IngestContext, request: IngestRequest, outcome: Outcome): IngestReport {
  // Concurrent triggers are common: the other run does the work.
  const severity = outcome === 'busy' ? 'DEBUG' : 'INFO';
  app.log.write(severity, 'run_skipped', `Skipped: ${outcome.replaceAll('_', ' ')}`, {
    outcome,
    trigger: request.trigger,
  });
  return { outcome, counts: noCounts(), error: null };
}
