/**
 * The work of a run under its lease: history, listings, fetching, and the upkeep of the mailbox, repeated while a backlog
 * lasts or a push announces something newer.
 */

import { type DueWork, hasMessages, readDueWork } from '../db/due-work.ts';
import type { HistoryStart } from '../db/history-cursor.ts';

import { addUpLedgerChanges, pruneOldRecords } from '../db/pruning.ts';
import { pruneRuns } from '../db/runs.ts';
import { type AppError, isDatabaseError, requiresOperator, toAppError } from '../errors.ts';
import type { RunContext } from './context.ts';
import { type FetchEnd, fetchMessages, settleFailures } from './fetch-messages.ts';
import { identifyMailbox } from './identify-mailbox.ts';
import { continueListJobs } from './list-messages.ts';
import {
  continueReconciliation,
  evaluateReconciliation,
  planDueReconciliation,
  RECONCILE_EVERY_SECONDS,
} from './reconcile.ts';
import { resolveLabel } from './resolve-label.ts';
import { syncHistory } from './sync-history.ts';
import { renewWatch } from './watch.ts';

/** A backlog is interrupted so often to look for live mail. */
const LOOK_AGAIN_MS = 10_000;
/** After so many rounds without news the lease is released whatever a push has announced: the next poll is the fallback. */
const MAX_IDLE_ROUNDS = 5;
/** Before a round that looks again for what a push announced: 0.4, 0.8, 1.6, 3.2 s. */
const IDLE_WAIT_MS = 400;

export interface LoopEnd {
  readonly outcome: 'completed' | 'out_of_time' | 'failed';
  readonly error: AppError | null;
  /** False: the lease is kept while a push announces something newer. */
  readonly releasesAnyway: boolean;
}

/** @param start of the first listing; null: read from the database */
export async function runSyncLoop(run: RunContext, start: HistoryStart | null): Promise<LoopEnd> {
  let end: LoopEnd;
  try {
    end = await repeatRounds(run, start);
  } catch (thrown) {
    const error = toAppError(thrown);
    end =
      error.code === 'out_of_time'
        ? { outcome: 'out_of_time', error: null, releasesAnyway: true }
        : { outcome: 'failed', error, releasesAnyway: true };
  }
  // Without the lease or the database nothing is charged, which is safe.
  await settleFailures(run).catch(() => undefined);
  return end;
}

async function repeatRounds(run: RunContext, start: HistoryStart | null): Promise<LoopEnd> {
  let idleRounds = 0;
  for (let isFirst = true; ; isFirst = false) {
    const discoveredBefore = run.counts.discovered;
    const round = await runRound(run, isFirst ? start : null, isFirst);
    if (round === 'out_of_time') return { outcome: 'out_of_time', error: null, releasesAnyway: true };
    if (round === 'more') continue;
    if (!round.hasNewerHint) return { outcome: 'completed', error: null, releasesAnyway: false };
    idleRounds = run.counts.discovered === discoveredBefore ? idleRounds + 1 : 0;
    if (idleRounds >= MAX_IDLE_ROUNDS) return { outcome: 'completed', error: null, releasesAnyway: true };
    const waitMs = IDLE_WAIT_MS * 2 ** (idleRounds - 1);
    if (idleRounds > 0 && run.deadline.hasTimeFor(waitMs)) await run.app.sleep(waitMs);
  }
}

type Round = 'more' | 'out_of_time' | { readonly hasNewerHint: boolean };

async function runRound(run: RunContext, start: HistoryStart | null, isFirst: boolean): Promise<Round> {
  const history = await unlessFatal(async () => await syncHistory(run, start));
  const isLabelMissing = run.label.kind === 'missing';
  let due = await readDue(run);
  const listing =
    history.error === null && !isLabelMissing ? await listMessages(run, due, isFirst) : NOTHING_LISTED;
  if (listing.hasListed) due = await readDue(run);

  const error = history.error ?? listing.error;
  let fetched = await fetchDue(run, due, LOOK_AGAIN_MS);
  if (isFirst) await maintain(run, due);
  // With nothing more to discover at present, the rest of what is known is fetched without a break.
  const canDiscover = error === null && history.value?.isComplete === true;
  if (fetched === 'look_again' && !canDiscover) {
    fetched = await fetchDue(run, await readDue(run), Number.POSITIVE_INFINITY);
  }
  if (error !== null) throw error;
  if (run.label.kind === 'missing') throw run.label.error;
  if (fetched === 'out_of_time' || history.value?.isComplete !== true) return 'out_of_time';
  if (fetched === 'look_again' || listing.hasMore) return 'more';
  let evaluation: 'done' | 'more' | 'out_of_time' = 'done';
  if (run.trigger !== 'push' && (due.hasOpenReconciliation || due.hasOpenIncident || listing.hasListed))
    evaluation = await evaluateReconciliation(run);
  if (evaluation !== 'done') return evaluation;
  return { hasNewerHint: history.value.hasNewerHint };
}

async function fetchDue(run: RunContext, due: DueWork, lookAgainMs: number): Promise<FetchEnd> {
  const canFetch = hasMessages(due) && run.label.kind !== 'missing' && !run.outage.isHopeless;
  return canFetch ? await fetchMessages(run, due, lookAgainMs) : 'idle';
}

/** A failure of the history or of a listing says nothing about messages that are already known: those are fetched first. */
async function unlessFatal<T>(
  step: () => Promise<T>,
): Promise<{ readonly value: T | null; readonly error: AppError | null }> {
  try {
    return { value: await step(), error: null };
  } catch (thrown) {
    const error = toAppError(thrown);
    const isFatal =
      requiresOperator(error.code) ||
      isDatabaseError(error.code) ||
      error.code === 'lease_lost' ||
      error.code === 'out_of_time';
    if (isFatal) throw error;
    return { value: null, error };
  }
}

async function readDue(run: RunContext): Promise<DueWork> {
  return await readDueWork(run.db, run.lease.mailboxId, RECONCILE_EVERY_SECONDS);
}

interface Listing {
  readonly hasListed: boolean;
  readonly hasMore: boolean;
  readonly error: AppError | null;
}

const NOTHING_LISTED: Listing = { hasListed: false, hasMore: false, error: null };

/** Some pages of what is planned. A push leaves reconciliations to the next poll. */
async function listMessages(run: RunContext, due: DueWork, isFirst: boolean): Promise<Listing> {
  const isPush = run.trigger === 'push';
  const isPlanned = !isPush && isFirst && due.isReconciliationDue && (await planDueReconciliation(run));
  if (isPlanned) await checkAccountAndLabel(run);
  const reconciles = !isPush && (due.hasOpenReconciliation || isPlanned);
  if (!due.hasListJob && !reconciles) return NOTHING_LISTED;
  const jobs = due.hasListJob
    ? await unlessFatal(async () => await continueListJobs(run))
    : { value: null, error: null };
  if (jobs.error !== null || jobs.value?.hasMore === true || !reconciles) {
    return { hasListed: due.hasListJob, hasMore: jobs.value?.hasMore ?? false, error: jobs.error };
  }
  const listed = await unlessFatal(async () => await continueReconciliation(run));
  return { hasListed: true, hasMore: listed.value?.hasMore ?? false, error: listed.error };
}

/** With each reconciliation: an account can be renamed, and a label be deleted. */
async function checkAccountAndLabel(run: RunContext): Promise<void> {
  const app = { ...run.app, log: run.log };
  await identifyMailbox(app, run.call);
  const label = await resolveLabel(app, run.lease.mailboxId, run.call);
  if (label.kind === 'missing') throw label.error;
}

/** After the mail, by scheduled runs only: the push watch, which is kept only while the monitor is on, and old records. */
async function maintain(run: RunContext, due: DueWork): Promise<void> {
  if (run.trigger !== 'schedule') return;
  await renewWatch(run);
  if (due.hasOldRecords) await pruneOldRecords(run.db);
  if (due.hasOldRuns) await pruneRuns(run.db);
  if (due.hasLedgerChanges) await addUpLedgerChanges(run.db);
}
