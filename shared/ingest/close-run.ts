/**
 * The end of every run, good or bad: the mailbox's failures and next poll, the status row, the run row, the lease, and the
 * `run_finished` line that metrics and alerts are derived from.
 */
import { releaseClaims } from '../db/claims.ts';
import { finishRun, type RunEnd, type RunFailure } from '../db/finish-run.ts';
import type { Lease } from '../db/lease.ts';
import { recordFailedPoll } from '../db/monitor-status.ts';
import { type RunCounts, recordUnidentifiedRun, type Trigger } from '../db/runs.ts';
import { noteLateRun } from '../db/watches.ts';
import { type AppError, stackOf, toAppError } from '../errors.ts';
import type { IngestContext } from './ingest-context.ts';
import { withDatabaseRetries } from './lease.ts';
import type { LoopEnd } from './sync-loop.ts';

/**
 * Cloud Scheduler ticks once per minute, so up to that interval the tick is the wait. A longer interval is kept by us, less
 * this much, because ticks jitter.
 */
const TICK_SECONDS = 60;
const TICK_JITTER_MS = 5_000;
/** A Retry-After of Gmail is honoured up to an hour. */
const MAX_RETRY_AFTER_MS = 3_600_000;

export interface RunClosing extends LoopEnd {
  readonly trigger: Trigger;
  readonly runId: number;
  /** By the clock of the database. */
  readonly startedAt: Date;
  readonly lease: Lease;
  readonly counts: Readonly<RunCounts>;
  readonly durationMs: number;
}

/**
 * Releases the lease and records the end, in one commit. Repeated when the database is away for a moment: a first try that
 * did take effect leaves no lease to release, and the second changes nothing more. What fails for good is logged and does
 * not undo the run: what it stored is stored, and the lease expires.
 *
 * @returns `newer_hint` when a push has announced something newer: nothing is closed then
 */
export async function closeRun(app: IngestContext, run: RunClosing): Promise<'closed' | 'newer_hint'> {
  let end: RunEnd | null = null;
  try {
    const finished = {
      ...run,
      failure: run.error === null ? null : failureOf(run.error),
      nextPollMs: nextPollMs(app.config.pollIntervalSeconds, run),
      // Only scheduled runs keep the watch, and they run only while the monitor is on.
      watchTopic: run.trigger === 'schedule' ? app.config.pubsubTopic : null,
    };
    const answer = await withDatabaseRetries(app, async () => {
      // The database may have been away when a claim was to end. Left open, it would count as a crash of the process.
      if (run.outcome === 'failed') await releaseClaims(app.db, run.lease);
      return await finishRun(app.db, run.lease, finished);
    });
    if (answer === 'newer_hint') return 'newer_hint';
    end = answer;
    if (run.trigger === 'schedule') await noteLateRun(app.db, run.lease.mailboxId, lateRunOf(run));
  } catch (thrown) {
    app.unreleasedLeases.add(run.lease);
    app.log.write('ERROR', 'database_error', 'The end of a run could not be recorded', {
      run_id: run.runId,
      detail: toAppError(thrown).message,
    });
  }
  logEnd(app, run, end);
  return 'closed';
}

function lateRunOf({ startedAt, counts: { arrivalToStoredMaxMs } }: RunClosing) {
  return { startedAt, arrivalToStoredMaxMs };
}

/** Null: the next scheduled poll stays as it is. A cut run continues at the next tick. */
function nextPollMs(intervalSeconds: number, run: RunClosing): number | null {
  if (run.outcome === 'out_of_time') return 0;
  if (run.trigger !== 'schedule') return null;
  if (intervalSeconds <= TICK_SECONDS) return 0;
  return Math.max(0, Math.round(intervalSeconds * 1_000 - TICK_JITTER_MS - run.durationMs));
}

function logEnd({ log }: IngestContext, run: RunClosing, end: RunEnd | null): void {
  const { counts } = run;
  log.write(run.error?.severity ?? 'INFO', 'run_finished', sentence(run), {
    run_id: run.runId,
    mailbox_id: run.lease.mailboxId,
    trigger: run.trigger,
    outcome: run.outcome,
    duration_ms: Math.round(run.durationMs),
    discovered_count: counts.discovered,
    stored_count: counts.stored,
    gone_count: counts.gone,
    ignored_count: counts.ignored,
    failed_count: counts.failed,
    dead_count: counts.dead,
    rate_limited_count: counts.rateLimited,
    quota_units: counts.quotaUnits,
    cursor_before: end?.cursorBefore ?? null,
    cursor_after: end?.cursorAfter ?? null,
    failure_count: end?.failureCount ?? 0,
    arrival_to_stored_max_ms: counts.arrivalToStoredMaxMs,
    dead_total: end?.deadTotal ?? null,
    failing_total: end?.failingTotal ?? null,
    pending_total: end?.pendingTotal ?? null,
    live_waiting_s: end?.liveWaitingSeconds ?? null,
    missing_total: end?.missingTotal ?? null,
    watch_remaining_s: end?.watchRemainingSeconds ?? null,
    ...(run.error === null
      ? {}
      : {
          error_code: run.error.code,
          detail: run.error.message,
          remediation: run.error.remediation,
          stack: stackOf(run.error),
        }),
  });
}

/** A run that failed before it knew its mailbox. */
export async function recordUnidentified(
  app: IngestContext,
  trigger: Trigger,
  error: AppError,
): Promise<void> {
  const { code, title, message } = error;
  const runId = await recordUnidentifiedRun(app.db, trigger, code);
  await recordFailedPoll(app.db, { code, detail: `${title}: ${message}` });
  app.log.write(error.severity, 'run_finished', `Failed: ${title}`, {
    run_id: runId,
    trigger,
    outcome: 'failed',
    error_code: code,
    detail: message,
    remediation: error.remediation,
  });
}

function sentence(run: RunClosing): string {
  if (run.error !== null) return `Failed: ${run.error.title}`;
  const stored = `Stored ${run.counts.stored} ${run.counts.stored === 1 ? 'email' : 'emails'}`;
  return run.outcome === 'out_of_time' ? `${stored}; the next run continues` : stored;
}

function failureOf({ code, title, message, retryAfterMs }: AppError): RunFailure {
  return { code, title, detail: message, minBackoffMs: Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS) };
}
