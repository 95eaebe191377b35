/**
 * The work of a run under its lease: history, listings, fetching, and maintenance of the mailbox. Rounds repeat while there
 * is a backlog or a push announces something newer.
 */
import { type DueWork, hasMessages, readDueWork } from '../db/due-work.ts';
import { AppError, isDatabaseError, isOutOfTime, requiresOperator, toAppError } from '../errors.ts';
import { type FetchEnd, finalizeAttempts, MessageFetcher } from './fetch-messages.ts';
import { identifyMailbox } from './identify-mailbox.ts';
import { continueListJobs } from './list-messages.ts';
import { maintain } from './maintain.ts';
import {
  continueReconciliation,
  DISCOVERY_INTERVAL_MS,
  evaluateReconciliation,
  planDueReconciliation,
  reconcileEverySeconds,
  waitsForFirstPeriod,
} from './reconcile.ts';
import { resolveLabel } from './resolve-label.ts';
import type { RunContext } from './run-context.ts';
import { syncHistory } from './sync-history.ts';

/** After this many rounds without new messages the lease is released despite a hint. The next poll is the fallback. */
const MAX_IDLE_ROUNDS = 5;
/** Wait before another round for a change that a push has announced: 0.4, 0.8, 1.6, 3.2 s. */
const IDLE_WAIT_MS = 400;

export interface LoopEnd {
  /** `stopped`: the monitor was turned off during the run. */
  readonly outcome: 'completed' | 'out_of_time' | 'stopped' | 'failed';
  readonly error: AppError | null;
  /** When false, the lease is kept if a push has announced something newer. */
  readonly releasesAnyway: boolean;
}

/** @throws {AppError} an error of Gmail or the database, lease_lost, out_of_time, quota_used_up */
export async function runSyncLoop(run: RunContext): Promise<LoopEnd> {
  const fetcher = new MessageFetcher(run);
  try {
    try {
      return await repeatRounds(run, fetcher);
    } finally {
      await fetcher.finish();
    }
  } finally {
    // Without the lease or the database nothing is charged, which is harmless.
    await finalizeAttempts(run).catch(() => undefined);
  }
}

async function repeatRounds(run: RunContext, fetcher: MessageFetcher): Promise<LoopEnd> {
  let idleRounds = 0;
  for (let isFirst = true; ; isFirst = false) {
    const discoveredBefore = run.counts.discovered;
    const round = await runRound(run, fetcher, isFirst);
    if (round === 'out_of_time' || round === 'stopped')
      return { outcome: round, error: null, releasesAnyway: true };
    if (round === 'more') continue;
    if (!round.hasNewerHint) return { outcome: 'completed', error: null, releasesAnyway: false };
    idleRounds = run.counts.discovered === discoveredBefore ? idleRounds + 1 : 0;
    if (idleRounds >= MAX_IDLE_ROUNDS) return { outcome: 'completed', error: null, releasesAnyway: true };
    const waitMs = IDLE_WAIT_MS * 2 ** (idleRounds - 1);
    if (idleRounds > 0 && run.deadline.hasTimeFor(waitMs)) await run.sleep(waitMs);
  }
}

type Round = 'more' | 'out_of_time' | 'stopped' | { readonly hasNewerHint: boolean };

async function runRound(run: RunContext, fetcher: MessageFetcher, isFirst: boolean): Promise<Round> {
  const history = await unlessFatal(async () => await syncHistory(run));
  let due = await readDue(run);
  if (run.trigger !== 'manual' && !due.isRunning) return 'stopped';
  const mayList = history.value?.isComplete === true && run.label.kind !== 'missing';
  const listing = await unlessFatal(async () => (mayList ? await listPlanned(run, due, isFirst) : 'nothing'));
  // A listing that failed may have entered pages before.
  const hasListed = listing.value !== 'nothing';
  if (hasListed) due = await readDue(run);

  const error = history.error ?? listing.error;
  let fetched = await fetchDue(run, fetcher, due, DISCOVERY_INTERVAL_MS);
  if (isFirst) await maintain(run, due, fetched);
  // While discovery is impossible, fetch the known messages without interruption.
  const canDiscover = error === null && history.value?.isComplete === true;
  if (fetched === 'discovery_due' && !canDiscover) {
    fetched = await fetchDue(run, fetcher, await readDue(run), Number.POSITIVE_INFINITY);
  }
  if (error !== null) throw error;
  if (run.label.kind === 'missing') throw run.label.error;
  if (fetched === 'out_of_time' || history.value?.isComplete !== true) return 'out_of_time';
  if (fetched === 'discovery_due' || listing.value === 'more') return 'more';
  let evaluation: 'done' | 'more' | 'out_of_time' = 'done';
  if (run.trigger !== 'push' && (due.hasOpenReconciliation || due.hasOpenIncident || hasListed))
    evaluation = await evaluateReconciliation(run);
  if (evaluation !== 'done') return evaluation;
  return { hasNewerHint: history.value.hasNewerHint };
}

async function fetchDue(
  run: RunContext,
  fetcher: MessageFetcher,
  due: DueWork,
  discoveryAfterMs: number,
): Promise<FetchEnd> {
  const canFetch =
    (hasMessages(due) || fetcher.isActive) && run.label.kind !== 'missing' && !run.outage.isHopeless;
  if (!canFetch) return 'idle';
  try {
    return await fetcher.fetch(due, discoveryAfterMs);
  } catch (error) {
    // The wait for quota units ended. Another error of the round must still be reported.
    if (error instanceof AppError && isOutOfTime(error.code)) return 'out_of_time';
    throw error;
  }
}

/** Postpones an error of the history or a listing: known messages do not depend on it and are fetched first. */
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
      isOutOfTime(error.code);
    if (isFatal) throw error;
    return { value: null, error };
  }
}

async function readDue(run: RunContext): Promise<DueWork> {
  const { retentionDays } = run.config;
  const due = await readDueWork(run.db, run.lease.mailboxId, reconcileEverySeconds(run), retentionDays);
  return { ...due, isReconciliationDue: due.isReconciliationDue && !waitsForFirstPeriod(run) };
}

/** Lists a few pages of what is planned: list jobs, then the reconciliation, which a push leaves to the next poll. */
async function listPlanned(
  run: RunContext,
  due: DueWork,
  isFirst: boolean,
): Promise<'nothing' | 'more' | 'all'> {
  let reconciles = run.trigger !== 'push' && due.hasOpenReconciliation;
  if (run.trigger !== 'push' && isFirst && due.isReconciliationDue) {
    await checkAccountAndLabel(run);
    if (run.label.kind === 'missing') return 'nothing';
    reconciles = (await planDueReconciliation(run)) || reconciles;
  }
  if (!due.hasListJob && !reconciles) return 'nothing';
  if (due.hasListJob && (await continueListJobs(run))) return 'more';
  return reconciles && (await continueReconciliation(run)) ? 'more' : 'all';
}

/** Runs with each reconciliation: accounts can be renamed and labels deleted. The run continues with the new label. */
async function checkAccountAndLabel(run: RunContext): Promise<void> {
  await identifyMailbox(run, run.call);
  run.label = await resolveLabel(run, run.lease.mailboxId, run.call);
}
