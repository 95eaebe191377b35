/**
 * Records the end of every run: updates the mailbox, the status row and the run row, releases the lease, and writes the
 * `run_finished` line. Metrics and alerts are derived from that line.
 */
import { releaseClaims } from '../db/claims.ts';
import { finishRun, type RunEnd, type RunFailure } from '../db/finish-run.ts';
import { recordMonitorError } from '../db/monitor-status.ts';
import { recordUnidentifiedRun, type Trigger } from '../db/runs.ts';
import { noteLateRun } from '../db/watches.ts';
import { type AppError, stackOf, toAppError } from '../errors.ts';
import { recordSettingsFailure } from '../mailboxes/mailbox-settings.ts';
import type { IngestContext } from './ingest-context.ts';
import type { RunContext } from './run-context.ts';
import { withDatabaseRetries } from './run-lease.ts';
import { secondsIntoPeriod } from './spread.ts';
import type { LoopEnd } from './sync-loop.ts';

/**
 * Cloud Scheduler calls once per minute, so for intervals up to a minute the scheduler job sets the pace. For a longer
 * interval `next_poll_at` does, less this allowance for the jitter of the scheduler job.
 */
const SCHEDULER_SECONDS = 60;
const SCHEDULER_JITTER_MS = 5_000;
/** Gmail's Retry-After is honoured up to an hour. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/**
 * Releases the lease and records the end in one commit. Retried while the database is unavailable. A retry is safe: once
 * the lease is released, it changes nothing. An error that persists is logged and does not undo the run: the stored emails
 * remain, and the lease expires.
 *
 * @returns `newer_hint` when a push has announced something newer: nothing is recorded then
 */
export async function recordRunEnd(run: RunContext, ended: LoopEnd): Promise<'recorded' | 'newer_hint'> {
  const { counts, db, lease, log, startedAt } = run;
  const durationMs = run.clock() - run.beganMs;
  let end: RunEnd | null = null;
  try {
    const finished = {
      runId: run.runId,
      outcome: ended.outcome,
      durationMs,
      counts,
      failure: ended.error === null ? null : failureOf(ended.error),
      hasHistoryAnswer: run.hasHistoryAnswer,
      releasesAnyway: ended.releasesAnyway,
      nextPollMs: nextPollMs(run, ended.outcome, durationMs),
      isAdded: run.settings !== null,
      // Only scheduled runs report the watch, and they run only while the monitor is on.
      watchTopic: run.trigger === 'schedule' ? run.config.pubsubTopic : null,
    };
    const answer = await withDatabaseRetries(run, async () => {
      // The database may have been unavailable when a claim ended. An open claim would count as a crash of the process.
      if (ended.outcome === 'failed') await releaseClaims(db, lease);
      return await finishRun(db, lease, finished);
    });
    if (answer === 'newer_hint') return 'newer_hint';
    end = answer;
    const { arrivalToStoredMaxMs } = counts;
    if (run.trigger === 'schedule')
      await noteLateRun(db, lease.mailboxId, { startedAt, arrivalToStoredMaxMs });
  } catch (thrown) {
    run.unreleasedLeases.add(lease);
    log.write('ERROR', 'database_error', 'The end of a run could not be recorded', {
      detail: toAppError(thrown).message,
    });
  }
  logEnd(run, ended, durationMs, end);
  return 'recorded';
}

/** Null keeps the planned time of the next poll. After out_of_time the next scheduled run continues. */
function nextPollMs(run: RunContext, outcome: LoopEnd['outcome'], durationMs: number): number | null {
  const { pollIntervalSeconds: intervalSeconds } = run.config;
  if (outcome === 'out_of_time') return 0;
  if (run.trigger !== 'schedule') return null;
  if (intervalSeconds <= SCHEDULER_SECONDS) return 0;
  const untilNextMs = (run.settings === null ? intervalSeconds : secondsToNext(run, intervalSeconds)) * 1_000;
  return Math.max(0, Math.round(untilNextMs - SCHEDULER_JITTER_MS - durationMs));
}

/** To the next period of an added mailbox that begins after at least half the interval. */
function secondsToNext({ lease, startedAt }: RunContext, intervalSeconds: number): number {
  const remaining = intervalSeconds - secondsIntoPeriod(lease.mailboxId, intervalSeconds, startedAt);
  return remaining < intervalSeconds / 2 ? remaining + intervalSeconds : remaining;
}

function logEnd(run: RunContext, { error, outcome }: LoopEnd, durationMs: number, end: RunEnd | null): void {
  const { counts } = run;
  run.log.write(error?.severity ?? 'INFO', 'run_finished', summaryOf(outcome, error, counts.stored), {
    outcome,
    duration_ms: Math.round(durationMs),
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
    queue_oldest_s: end?.queueOldestSeconds ?? null,
    queue_dead_total: end?.queueDeadTotal ?? null,
    notification_queue_usage: end?.notificationQueueUsage ?? null,
    ...(error === null ? {} : { ...error.logFields, stack: stackOf(error) }),
  });
}

/** Records a run that failed before its mailbox was identified. */
export async function recordUnidentifiedFailure(
  app: IngestContext,
  trigger: Trigger,
  error: AppError,
): Promise<void> {
  const { code, title, message } = error;
  const { settings } = app;
  let runId: number | null = null;
  if (settings !== null)
    await recordSettingsFailure(app.db, settings.id, {
      code,
      detail: message,
      minBackoffMs: failureOf(error).minBackoffMs,
    });
  else {
    runId = await recordUnidentifiedRun(app.db, trigger, code);
    await recordMonitorError(app.db, error, { isRun: true });
  }
  app.log.write(error.severity, 'run_finished', `Failed: ${title}`, {
    run_id: runId,
    ...(settings !== null && { email_address: settings.emailAddress }),
    trigger,
    outcome: 'failed',
    ...error.logFields,
  });
}

function summaryOf(outcome: LoopEnd['outcome'], error: AppError | null, storedCount: number): string {
  if (error !== null) return `Failed: ${error.title}`;
  const stored = `Stored ${storedCount} ${storedCount === 1 ? 'email' : 'emails'}`;
  return outcome === 'out_of_time' ? `${stored}; the next run continues` : stored;
}

function failureOf({ code, title, message, retryAfterMs }: AppError): RunFailure {
  return { code, title, detail: message, minBackoffMs: Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS) };
}
