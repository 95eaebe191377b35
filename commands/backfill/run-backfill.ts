/**
 * Backfill: fetches older messages that match a Gmail query. It is planned as a list job and processed in ordinary runs.
 * Called by `npm run backfill`.
 * Invariant: the database holds its whole state, so any instance can make the next run.
 */

import { Deadline } from '../../shared/deadline.ts';
import { AppError, requiresOperator } from '../../shared/errors.ts';
import { callOutsideRun } from '../../shared/ingest/call-outside-run.ts';
import { type IngestContext, requireGmail } from '../../shared/ingest/ingest-context.ts';
import { type IngestReport, ingestMailbox } from '../../shared/ingest/ingest-mailbox.ts';
import { type BackfillProgress, readBackfillProgress } from './backfills.ts';

/** Wait between two runs while another instance holds the lease. */
const BUSY_WAIT_MS = 3_000;
/** After this many consecutive runs without progress the command ends with the error. Polling continues the backfill. */
const MAX_RUNS_WITHOUT_PROGRESS = 5;
const FAILED_WAIT_MS = 2_000;
const CHECK_MS = 90_000;

/**
 * Checks that Gmail accepts the query, before anything is planned. Costs 5 units.
 *
 * @throws {AppError} not_configured; gmail_refused when Gmail rejects the query; other Gmail errors
 */
export async function assertQuery(app: IngestContext, mailboxId: number, query: string): Promise<void> {
  const call = callOutsideRun(app, mailboxId, Deadline.after(CHECK_MS, app.clock));
  // No label: the call checks only the query.
  await requireGmail(app).listMessages(call, { query, labelId: null, pageToken: null });
}

export interface BackfillRun {
  readonly report: IngestReport;
  readonly progress: BackfillProgress;
}

/** True when the query is listed and no message is due. Failed messages may still wait for their next attempt. */
export function isDone({ progress }: BackfillRun): boolean {
  return progress.isListed && progress.dueCount === 0;
}

/**
 * Yields one run at a time until the backfill is done. The caller may stop after any of them. No run starts after
 * `interruption`.
 *
 * @throws {AppError} an error that an operator has to fix; the last error, or internal, after five runs without progress;
 *   database_unavailable
 */
export async function* runUntilDone(
  app: IngestContext,
  jobId: number,
  budgetMs: number,
  interruption?: AbortSignal,
): AsyncGenerator<BackfillRun> {
  let runsWithoutProgress = 0;
  let before = '';
  while (interruption?.aborted !== true) {
    const deadline = Deadline.after(budgetMs, app.clock);
    // Failing messages wait for their next attempt. The runs follow each other closely, and each would try them again.
    const report = await ingestMailbox(app, { trigger: 'manual', deadline, includesWaiting: false });
    const run = { report, progress: await readBackfillProgress(app.db, jobId) };
    yield run;
    if (isDone(run)) return;
    if (report.error !== null && requiresOperator(report.error.code)) throw report.error;

    const now = JSON.stringify(run.progress);
    runsWithoutProgress = now === before && report.outcome !== 'busy' ? runsWithoutProgress + 1 : 0;
    before = now;
    if (runsWithoutProgress >= MAX_RUNS_WITHOUT_PROGRESS) throw report.error ?? withoutProgress();
    await app.sleep(waitMs(report, deadline, runsWithoutProgress));
  }
}

/** A run that ends early with out_of_time waits for quota units, which refill in the rest of its time. */
function waitMs({ outcome }: IngestReport, deadline: Deadline, runsWithoutProgress: number): number {
  if (outcome === 'busy') return BUSY_WAIT_MS;
  if (outcome === 'out_of_time') return deadline.remainingMs();
  return outcome === 'failed' ? FAILED_WAIT_MS * 2 ** runsWithoutProgress : 0;
}

function withoutProgress(): AppError {
  return new AppError('internal', `${MAX_RUNS_WITHOUT_PROGRESS} consecutive runs made no progress.`);
}
