/**
 * The end of every run, good or bad: the mailbox's failures and next poll, the status row, the run row, the
 * lease, and the one `run_finished` line that metrics and alerts hang on.
 */
import { type Fence, releaseLease } from '../db/lease.ts';
import { recordFailure, recordSuccess } from '../db/mailboxes.ts';
import { recordPoll } from '../db/monitor-status.ts';
import { beginRun, endRun, pruneRuns, type RunCounts, type Trigger } from '../db/runs.ts';
import type { AppError } from '../errors.ts';
import type { Outcome } from './ingest-mailbox.ts';
import { noCounts, type System } from './run.ts';

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
  readonly counts: Readonly<RunCounts>;
  readonly durationMs: number;
}

/**
 * Whatever fails here is logged and does not undo the run: what it stored is stored, and the lease expires.
 */
export async function closeRun(system: System, run: RunClosing): Promise<void> {
  const { db, config, log } = system;
  let cursor: { cursorBefore: string | null; cursorAfter: string | null } | null = null;
  let failureCount = 0;
  try {
    // Not the mailbox's failure: another instance works on it, and its own end will say how it went.
    if (run.error?.code !== 'lease_lost') {
      if (run.error === null)
        await recordSuccess(db, run.fence.mailboxId, waitMs(config.pollIntervalSeconds, run));
      else
        failureCount = await recordFailure(
          db,
          run.fence.mailboxId,
          failureOf(run.error, config.pollIntervalSeconds),
        );
      await recordPoll(db, describe(run.error));
    }
    cursor = await endRun(db, run.runId, { ...run, errorCode: run.error?.code ?? null });
    await releaseLease(db, run.fence, null);
    await pruneRuns(db);
  } catch (thrown) {
    log.write('ERROR', 'database_error', 'The end of a run could not be written down', {
      run_id: run.runId,
      detail: thrown instanceof Error ? thrown.message : 'unknown',
    });
  }
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
    cursor_before: cursor?.cursorBefore ?? null,
    cursor_after: cursor?.cursorAfter ?? null,
    failure_count: failureCount,
    ...(run.error === null
      ? {}
      : { error_code: run.error.code, detail: run.error.message, cure: run.error.cure }),
  });
}

/** A run that failed before it knew its mailbox. */
export async function recordUnidentified(system: System, trigger: Trigger, error: AppError): Promise<void> {
  const { db } = system;
  const runId = await beginRun(db, null, trigger);
  await endRun(db, runId, { outcome: 'failed', durationMs: 0, counts: noCounts(), errorCode: error.code });
  await recordPoll(db, describe(error));
  system.log.write(error.severity, 'run_finished', `Failed: ${error.title}`, {
    run_id: runId,
    trigger,
    outcome: 'failed',
    error_code: error.code,
    detail: error.message,
    cure: error.cure,
  });
}

function sentence(run: RunClosing): string {
  if (run.error !== null) return `Failed: ${run.error.title}`;
  const stored = `${run.counts.stored} ${run.counts.stored === 1 ? 'email' : 'emails'} stored`;
  return run.outcome === 'out_of_time' ? `${stored}, more to come` : stored;
}

function describe(error: AppError | null): { code: string; detail: string } | null {
  return error === null ? null : { code: error.code, detail: `${error.title}: ${error.message}` };
}

function failureOf(error: AppError, intervalSeconds: number) {
  return { code: error.code, detail: error.message, intervalSeconds, capSeconds: BACKOFF_CAP_SECONDS };
}

/** What ran out of time goes on at the next tick. */
function waitMs(intervalSeconds: number, run: RunClosing): number {
  if (intervalSeconds <= TICK_SECONDS || run.outcome === 'out_of_time') return 0;
  return Math.max(0, Math.round(intervalSeconds * 1_000 - TICK_JITTER_MS - run.durationMs));
}
