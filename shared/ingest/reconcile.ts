/**
 * Reconciliation in a run: every 15 minutes Gmail's own listing is compared with the ledger (see
 * `shared/db/reconciliation.ts`). The sync loop plans a reconciliation when it is due, lists a few pages, fetches, and
 * evaluates. Push runs skip it, to store their messages soon.
 */
import { closeListedGaps } from '../db/incidents.ts';
import { planReconciliation } from '../db/reconciliation.ts';
import {
  evaluateSlice,
  type ReconciliationResult,
  removeEvaluatedIds,
} from '../db/reconciliation-evaluation.ts';
import {
  enterReconciliationPage,
  findOpenReconciliation,
  type OpenReconciliation,
  rejectReconciliation,
  restartReconciliation,
} from '../db/reconciliation-pages.ts';
import type { Log } from '../log.ts';
import { type Listing, listPages } from './list-messages.ts';
import type { RunContext } from './run-context.ts';
import { spreadSeconds } from './spread.ts';

const RECONCILE_EVERY_SECONDS = 15 * 60;
const WIDE_EVERY_SECONDS = 86_400;
/** Time for one slice of an evaluation, even on a slow database. */
const SLICE_MS = 2_000;
/** A backlog or a large evaluation is interrupted after this time to discover live mail. */
export const DISCOVERY_INTERVAL_MS = 10_000;

/** Parameter of the SQL function `is_reconciliation_due`: a reconciliation is due when none began within this time. */
export function reconcileEverySeconds(run: RunContext): number {
  return spreadSeconds(run, RECONCILE_EVERY_SECONDS);
}

/** The first reconciliation of an added mailbox waits for the next period, so that those of many do not fall together. */
export function waitsForFirstPeriod(run: RunContext): boolean {
  if (run.settings === null) return false;
  const ageSeconds = (run.startedAt.getTime() - run.mailboxCreatedAt.getTime()) / 1_000;
  return ageSeconds < reconcileEverySeconds(run);
}

/** Plans a reconciliation when it is due. @returns true when one was planned */
export async function planDueReconciliation(run: RunContext): Promise<boolean> {
  const everySeconds = reconcileEverySeconds(run);
  return await planReconciliation(run.db, run.lease, everySeconds, spreadSeconds(run, WIDE_EVERY_SECONDS));
}

/** Lists the next pages of the open reconciliation, as `listPages` does, if there is one and no gap has to be listed first. */
export async function continueReconciliation(run: RunContext): Promise<boolean> {
  return await listPages(run, async () => {
    const open = await findOpenReconciliation(run.db, run.lease.mailboxId);
    return open === null ? null : listingOf(run, open);
  });
}

function listingOf({ db, lease, config: { settleSeconds } }: RunContext, open: OpenReconciliation): Listing {
  return {
    ...open,
    name: `Reconciliation ${open.id}`,
    includeSpamTrash: true,
    enter: async (page) => await enterReconciliationPage(db, lease, open, { ...page, settleSeconds }),
    restart: async () => await restartReconciliation(db, lease, open.id),
    reject: async (rejection) => await rejectReconciliation(db, lease, open.id, rejection),
  };
}

/**
 * Evaluates the open reconciliation and closes the incidents that have ended. Call it after fetching, and only in a run
 * that has read the history to its end. A message that the history has not shown yet is not missing.
 *
 * @returns `more`: interrupted to discover live mail; `out_of_time`: the next run continues
 * @throws {AppError} database errors
 */
export async function evaluateReconciliation(run: RunContext): Promise<'done' | 'more' | 'out_of_time'> {
  const { mailboxId } = run.lease;
  const startRemainingMs = run.deadline.remainingMs();
  let slices = 0;
  for (let result: Awaited<ReturnType<typeof evaluateSlice>> = 'more'; result === 'more'; slices += 1) {
    // Evaluate at least one slice per run: the shortest run budget never allows a second one.
    if (slices > 0 && !run.deadline.hasTimeFor(SLICE_MS)) return 'out_of_time';
    if (startRemainingMs - run.deadline.remainingMs() > DISCOVERY_INTERVAL_MS) return 'more';
    result = await evaluateSlice(run.db, run.lease, run.startedAt);
    if (result !== null && result !== 'more') {
      logResult(run.log, result);
      // The next evaluation removes what is left when time runs out.
      while (run.deadline.hasTimeFor(SLICE_MS) && (await removeEvaluatedIds(run.db, mailboxId)));
    }
  }
  for (const incident of await closeListedGaps(run.db, mailboxId)) {
    run.log.info('incident_closed', 'The gap is listed and everything found in it is fetched', {
      incident_id: incident.id,
      incident_kind: incident.kind,
    });
  }
  return 'done';
}

function logResult(log: Log, result: ReconciliationResult): void {
  const { gmailCount, storedCount, pendingCount, failedCount, ignoredCount, goneCount, missingCount } =
    result;
  log.write(
    missingCount === 0 ? 'INFO' : 'ERROR',
    'reconciled',
    `Gmail ${gmailCount} = stored ${storedCount} + pending ${pendingCount} + failed ${failedCount} + ` +
      `ignored ${ignoredCount} + gone ${goneCount} + missing ${missingCount}`,
    {
      gmail_count: gmailCount,
      stored_count: storedCount,
      pending_count: pendingCount,
      failed_count: failedCount,
      ignored_count: ignoredCount,
      gone_count: goneCount,
      missing_count: missingCount,
      window_begins_at: result.windowBeginsAt.toISOString(),
      is_full: result.isFull,
      incident_id: result.incidentId,
    },
  );
}
