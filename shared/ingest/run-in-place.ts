/** Runs several mailboxes in this process, a few at a time. Called by `poll` without a work topic. */
import { noCounts, type RunCounts } from '../db/runs.ts';
import { Deadline } from '../deadline.ts';
import { isDatabaseError, toAppError } from '../errors.ts';
import type { IngestContext, Outcome } from './ingest-context.ts';
import { type IngestReport, type IngestRequest, ingestMailbox } from './ingest-mailbox.ts';

/** Runs at the same time. Each waits for Gmail most of its time. */
const MAX_RUNS = 4;
/** No run is started with less time, of which it reserves a quarter for its end. */
const MIN_RUN_MS = 6_000;

/** Opens the context of a mailbox. */
export type OpenContext = () => Promise<IngestContext>;

export interface InPlaceReport extends IngestReport {
  /** Mailboxes that ran, and those of them that failed. */
  readonly mailboxes: { readonly count: number; readonly failedCount: number };
}

/**
 * Each run gets an equal share of the time that is left, so that a mailbox with a backlog delays the others by no more than that.
 * One that used its share up runs again after them, with a larger share.
 */
export async function runInPlace(
  runs: readonly OpenContext[],
  request: IngestRequest,
): Promise<InPlaceReport> {
  const { deadline } = request;
  const minMs = Math.min(MIN_RUN_MS, deadline.remainingMs() / 2);
  const queue = [...runs];
  const totals = noCounts();
  const last = new Map<OpenContext, IngestReport>();
  const extended = new Set<OpenContext>();
  let active = 0;
  const work = async (): Promise<void> => {
    for (let run = queue.shift(); run !== undefined; run = queue.shift()) {
      if (!deadline.hasTimeFor(minMs)) {
        queue.unshift(run);
        return;
      }
      active += 1;
      const share = Math.min(1, MAX_RUNS / (queue.length + active));
      const report = await runOne(run, request, Math.max(minMs, deadline.remainingMs() * share));
      active -= 1;
      addCounts(totals, report.counts);
      last.set(run, report);
      if (report.outcome !== 'out_of_time') continue;
      if (report.counts.stored === 0) {
        // A message may take longer than the share, so the run gets one larger share. After that, it only waits for quota units.
        if (share === 1 || extended.has(run)) continue;
        extended.add(run);
      }
      queue.push(run);
    }
  };
  await Promise.all(Array.from({ length: MAX_RUNS }, work));
  const reports = [...last.values()];
  const failed = reports.filter(({ outcome }) => outcome === 'failed');
  const isAllFailed = failed.length > 0 && failed.length === reports.length;
  const ofDatabase = failed.find(({ error }) => error !== null && isDatabaseError(error.code));
  const error = ofDatabase?.error ?? (isAllFailed ? (failed[0]?.error ?? null) : null);
  return {
    outcome: error !== null ? 'failed' : queue.length > 0 ? 'out_of_time' : outcomeOf(reports),
    counts: totals,
    error,
    mailboxes: { count: reports.length, failedCount: failed.length },
  };
}

async function runOne(run: OpenContext, request: IngestRequest, shareMs: number): Promise<IngestReport> {
  try {
    const app = await run();
    const ms = Math.min(shareMs, request.deadline.remainingMs());
    return await ingestMailbox(app, { ...request, deadline: Deadline.after(ms, app.clock) });
  } catch (thrown) {
    // The other mailboxes run on: only the database throws here.
    return { outcome: 'failed', counts: noCounts(), error: toAppError(thrown) };
  }
}

/** The outcome of all is the first of these that a run had. */
const OUTCOMES: readonly Outcome[] = [
  'out_of_time',
  'completed',
  'failed',
  'busy',
  'not_due',
  'paused',
  'stopped',
  'not_configured',
];

function outcomeOf(reports: readonly IngestReport[]): Outcome {
  return OUTCOMES.find((one) => reports.some(({ outcome }) => outcome === one)) ?? 'not_due';
}

function addCounts(totals: RunCounts, counts: Readonly<RunCounts>): void {
  totals.discovered += counts.discovered;
  totals.stored += counts.stored;
  totals.gone += counts.gone;
  totals.ignored += counts.ignored;
  totals.failed += counts.failed;
  totals.dead += counts.dead;
  totals.quotaUnits += counts.quotaUnits;
  totals.rateLimited += counts.rateLimited;
}
