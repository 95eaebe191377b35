/**
 * Backfill: older mail by a Gmail query, planned as a list job and then worked on in runs like any other backlog. Called by
 * `npm run backfill`.
 * Invariant: the database holds all of it, so any instance can make the next run.
 */
import { type BackfillProgress, readBackfillProgress } from '../db/backfills.ts';
import { Deadline } from '../deadline.ts';
import { AppError, requiresOperator } from '../errors.ts';
import { callOutsideRun } from './call-outside-run.ts';
import type { IngestContext } from './ingest-context.ts';
import { type IngestReport, ingestMailbox } from './ingest-mailbox.ts';

/** Between two runs while another instance works on the mailbox. */
const BUSY_WAIT_MS = 3_000;
/** Runs in a row that fail or change nothing: then the command ends with the error, and the poll goes on alone. */
const MAX_RUNS_WITHOUT_PROGRESS = 5;
const FAILED_WAIT_MS = 2_000;
const CHECK_MS = 90_000;

/**
 * Asks Gmail whether it accepts the query, before anything is planned. Costs 5 units.
 *
 * @throws {AppError} not_configured; gmail_refused for the query; others of Gmail
 */
export async function assertQuery(app: IngestContext, mailboxId: number, query: string): Promise<void> {
  if (app.gmail === null) throw new AppError('not_configured', 'There are no Gmail credentials.');
  const call = callOutsideRun(app, mailboxId, Deadline.after(CHECK_MS, app.clock));
  // Without the label: only the query is checked.
  await app.gmail.listMessages(call, { query, labelId: null, pageToken: null });
}

export interface BackfillRun {
  readonly report: IngestReport;
  readonly progress: BackfillProgress;
}

/** The query is listed, and what it found is fetched; messages that failed may wait for their next attempt. */
export function isDone({ progress }: BackfillRun): boolean {
  return progress.isListed && progress.dueCount === 0;
}

/**
 * Makes runs until the backfill is done, one per step; the caller may stop at any step. None begins after `interruption`.
 *
 * @throws {AppError} an error that an operator has to fix, one that lasts, database_unavailable
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
    // Next attempts are respected: the runs follow each other so quickly that a failing message would use up its attempts.
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

/** A run that is out of time early is out of quota: the rest of its time is what it takes to have more. */
function waitMs({ outcome }: IngestReport, deadline: Deadline, runsWithoutProgress: number): number {
  if (outcome === 'busy') return BUSY_WAIT_MS;
  if (outcome === 'out_of_time') return deadline.remainingMs();
  return outcome === 'failed' ? FAILED_WAIT_MS * 2 ** runsWithoutProgress : 0;
}

function withoutProgress(): AppError {
  return new AppError('internal', `${MAX_RUNS_WITHOUT_PROGRESS} runs in a row have changed nothing.`);
}
