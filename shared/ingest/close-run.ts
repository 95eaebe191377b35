/**
 * The end of every run, good or bad: the mailbox's failures and next poll, the status row, the run row, the
 * lease, and the one `run_finished` line that metrics and alerts hang on.
 */
import type { Fence, Seen } from '../db/lease.ts';
import { addUpLedgerChanges } from '../db/ledger-counts.ts';
import { recordPoll } from '../db/monitor-status.ts';
import { endRun, type RunEnded, type RunFailure } from '../db/run-end.ts';
import { pruneRuns, type RunCounts, recordUnidentifiedRun, type Trigger } from '../db/runs.ts';
import { type AppError, stackOf, toAppError } from '../errors.ts';
import type { Outcome, System } from './run.ts';
import { withPatience } from './with-patience.ts';

/** The longest wait after failures, seconds; the owner's figure. */
const BACKOFF_CAP_SECONDS = 300;
/**
 * Cloud Scheduler ticks once a minute at the finest, so up to that interval the tick itself is the wait. A longer
 * interval is kept by us, less this much, because ticks jitter.
 */
const TICK_SECONDS = 60;
const TICK_JITTER_MS = 5_000;

export interface RunClosing {
  readonly outcome: Outcome;
  readonly error: AppError | null;
  readonly trigger: Trigger;
  readonly runId: number;
  readonly fence: Fence;
  /** How far the history was seen; null gives the lease back whatever a push has announced. */
  readonly seen: Seen | null;
  readonly counts: Readonly<RunCounts>;
  readonly durationMs: number;
}

/**
 * Gives the lease back and writes the end down, in one commit: whoever comes next finds both, and a holder that
 * has lost the lease changes nothing of the mailbox.
 *
 * Tried again when the database is away for a moment: a first try that did come through leaves nothing to give back,
 * and the second changes nothing more of the mailbox. Whatever fails for good is logged and does not undo the run:
 * what it stored is stored, and the lease expires.
 *
 * @returns `look_again` when a push has announced something newer: nothing is closed then
 */
export async function closeRun(system: System, run: RunClosing): Promise<'closed' | 'look_again'> {
  const { db, log } = system;
  let ended: RunEnded | null = null;
  try {
    const end = endOf(system, run);
    const answer = await withPatience(system, async () => await endRun(db, run.fence, end));
    if (answer === 'look_again') return 'look_again';
    ended = answer;
    // A push is for its mail.
    if (run.trigger !== 'push' && ended.hasOldRuns) await pruneRuns(db);
    if (run.trigger !== 'push' && ended.hasLedgerChanges) await addUpLedgerChanges(db);
  } catch (thrown) {
    log.write('ERROR', 'database_error', 'The end of a run could not be written down', {
      run_id: run.runId,
      detail: toAppError(thrown).message,
    });
  }
  logEnd(system, run, ended);
  return 'closed';
}

function endOf({ config }: System, run: RunClosing) {
  const intervalSeconds = config.pollIntervalSeconds;
  return {
    ...run,
    failure: run.error === null ? null : failureOf(run.error),
    waitMs: waitMs(intervalSeconds, run),
    backoff: { intervalSeconds, capSeconds: BACKOFF_CAP_SECONDS },
    // Only the scheduled run tends the watch, and it runs only while there is to be one.
    watchTopic: run.trigger === 'schedule' ? config.pubsubTopic : null,
  };
}

function logEnd({ log }: System, run: RunClosing, ended: RunEnded | null): void {
  const { counts } = run;
  log.write(run.error?.severity ?? 'INFO', 'run_finished', sentence(run), {
    run_id: run.runId,
    mailbox_id: run.fence.mailboxId,
    trigger: run.trigger,
    outcome: run.outcome,
    duration_ms: Math.round(run.durationMs),
    discovered_count: counts.discovered,
    stored_count: counts.stored,
    gone_count: counts.gone,
    ignored_count: counts.ignored,
    failed_count: counts.failed,
    dead_count: counts.dead,
    refused_count: counts.refused,
    quota_units: counts.quotaUnits,
    cursor_before: ended?.cursorBefore ?? null,
    cursor_after: ended?.cursorAfter ?? null,
    failure_count: ended?.failureCount ?? 0,
    arrival_to_stored_max_ms: counts.arrivalToStoredMaxMs,
    dead_total: ended?.deadTotal ?? null,
    pending_total: ended?.pendingTotal ?? null,
    live_waiting_s: ended?.liveWaitingSeconds ?? null,
    missing_total: ended?.missingTotal ?? null,
    watch_remaining_s: ended?.watchRemainingSeconds ?? null,
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
export async function recordUnidentified(system: System, trigger: Trigger, error: AppError): Promise<void> {
  const { db } = system;
  const { code, title, detail } = failureOf(error);
  const runId = await recordUnidentifiedRun(db, trigger, code);
  await recordPoll(db, { code, detail: `${title}: ${detail}` });
  system.log.write(error.severity, 'run_finished', `Failed: ${error.title}`, {
    run_id: runId,
    trigger,
    outcome: 'failed',
    error_code: error.code,
    detail: error.message,
    remediation: error.remediation,
  });
}

function sentence(run: RunClosing): string {
  if (run.error !== null) return `Failed: ${run.error.title}`;
  const stored = `${run.counts.stored} ${run.counts.stored === 1 ? 'email' : 'emails'} stored`;
  return run.outcome === 'out_of_time' ? `${stored}, more to come` : stored;
}

function failureOf({ code, title, message }: AppError): RunFailure {
  return { code, title, detail: message };
}

/** What ran out of time goes on at the next tick. */
function waitMs(intervalSeconds: number, run: RunClosing): number | null {
  if (run.trigger !== 'schedule') return null;
  if (intervalSeconds <= TICK_SECONDS || run.outcome === 'out_of_time') return 0;
  return Math.max(0, Math.round(intervalSeconds * 1_000 - TICK_JITTER_MS - run.durationMs));
}
