/**
 * The work of a run under its lease: rounds of discovery and fetching until nothing is due and nothing newer stands
 * announced. What the database says there is to do is asked once a round, and only that is done.
 */
import { dropStaleHint, mustLookAgain, type Seen } from '../db/lease.ts';
import { lookAhead, type Outlook } from '../db/outlook.ts';
import type { ScanStart } from '../db/scan-start.ts';
import { type AppError, toAppError } from '../errors.ts';
import { type ListingsRead, readHistory, readListings } from './discover.ts';
import { fetchDue, settleAccounts } from './fetch.ts';
import { judge, planDueProof } from './prove.ts';
import type { Run } from './run.ts';
import { tendWatch } from './watch.ts';

/** A backlog is interrupted so often to let live mail go ahead of it. */
const LOOK_AGAIN_MS = 10_000;
/** After so many looks the lease is given back whatever stands announced: the poll is the net below. */
const MAX_IDLE_ROUNDS = 5;
/** Between looks for what a push announced and the history does not show yet: 0.4, 0.8, 1.6, 3.2 s. */
const ROUND_WAIT_MS = 400;
const NO_LISTINGS: ListingsRead = { hasMore: false, hasListed: false, fault: null };

export interface WorkEnd {
  readonly outcome: 'completed' | 'out_of_time' | 'failed';
  readonly error: AppError | null;
  /** The lease goes back only if no push has announced anything beyond; null: in any case. */
  readonly seen: Seen | null;
}

/** What was begun, also where the work ends by a fault. */
interface Done {
  hasFetched: boolean;
}

type Rounds = Pick<WorkEnd, 'seen'> & { readonly outcome: 'completed' | 'out_of_time' };

/** @param start of the first listing; null: where the database says */
export async function workToEnd(run: Run, start: ScanStart | null): Promise<WorkEnd> {
  const done: Done = { hasFetched: false };
  try {
    try {
      return { ...(await work(run, start, done)), error: null };
    } finally {
      // At the very end: an outage shows over several rounds. With the lease or the database lost it changes nothing,
      // and the next run does it.
      if (done.hasFetched) await settleAccounts(run).catch(() => undefined);
    }
  } catch (thrown) {
    const error = toAppError(thrown);
    return error.code === 'out_of_time'
      ? { outcome: 'out_of_time', error: null, seen: null }
      : { outcome: 'failed', error, seen: null };
  }
}

async function work(run: Run, start: ScanStart | null, done: Done): Promise<Rounds> {
  let idleRounds = 0;
  for (let isFirst = true; ; isFirst = false) {
    const found = run.counts.discovered;
    const history = await readHistory(run, isFirst ? start : null);
    let outlook = history.atEnd?.outlook ?? (await look(run));
    const isListing = (isFirst && (await takeUp(run, outlook))) || outlook.hasListing;
    const listings = isListing ? await readListings(run) : NO_LISTINGS;
    if (listings.hasListed) outlook = await look(run);

    const failure = history.fault ?? listings.fault;
    // With nothing more to discover at present, what is known is fetched without a break.
    const lookAgainMs = failure === null ? LOOK_AGAIN_MS : Number.POSITIVE_INFINITY;
    done.hasFetched ||= outlook.hasPending;
    const fetched = outlook.hasPending ? await fetchDue(run, lookAgainMs) : 'idle';
    if (failure !== null) throw failure;
    const hasTended = isFirst && outlook.isWatchToTend && (await tend(run));
    const { seen } = history;
    if (fetched === 'out_of_time' || seen === null) return { outcome: 'out_of_time', seen: null };
    if (fetched === 'look_again' || listings.hasMore) continue;
    // What was not due at the begin is due now only where a listing stood in its way.
    if (listings.hasListed && (await planDueProof(run))) continue;
    // A push is for its mail; the next poll judges.
    const hasJudged = run.trigger !== 'push' && (outlook.hasVerdict || listings.hasListed);
    if (hasJudged) await judge(run);

    idleRounds = run.counts.discovered === found ? idleRounds + 1 : 0;
    if (idleRounds >= MAX_IDLE_ROUNDS) {
      await dropStaleHint(run.db, run.fence, seen);
      return { outcome: 'completed', seen: null };
    }
    const hasWorked = outlook.hasPending || listings.hasListed || hasTended || hasJudged;
    const isHinted = hasWorked ? await mustLookAgain(run.db, run.fence, seen) : history.atEnd?.isHinted;
    if (isHinted !== true) return { outcome: 'completed', seen };
    const waitMs = ROUND_WAIT_MS * 2 ** (idleRounds - 1);
    if (idleRounds > 0 && run.deadline.hasTimeFor(waitMs)) await run.system.sleep(waitMs);
  }
}

async function look(run: Run): Promise<Outlook> {
  return await lookAhead(run.db, run.fence.mailboxId, run.lookFor);
}

/** What earlier runs have left, before anything is fetched. @returns true when a proof is to be listed */
async function takeUp(run: Run, outlook: Outlook): Promise<boolean> {
  // What has killed its process each time must not be begun again.
  if (outlook.hasPending) await settleAccounts(run);
  if (run.trigger !== 'push' && outlook.hasVerdict) await judge(run);
  // One that is judged now may be due again.
  return (outlook.isProofDue || outlook.hasVerdict) && (await planDueProof(run));
}

/** Mail first, push after it. By the scheduled run alone: it runs only while the monitor is on. */
async function tend(run: Run): Promise<boolean> {
  if (run.trigger !== 'schedule') return false;
  const { gmail, deadline } = run;
  await tendWatch(run.system, { gmail, mailboxId: run.fence.mailboxId, deadline });
  return true;
}
