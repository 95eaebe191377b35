/** What a run does after it has fetched: it renews the watch, prunes old records, and erases what has expired. */
import { collectObjects, DAY_SECONDS } from '../bucket/collect-objects.ts';
import type { DueWork } from '../db/due-work.ts';
import { compactLedgerChanges, pruneEmailAccesses, pruneOldRecords, pruneRuns } from '../db/pruning.ts';
import { eraseExpiredEmails } from '../db/retention.ts';
import { Deadline } from '../deadline.ts';
import { toAppError } from '../errors.ts';
import type { FetchEnd } from './fetch-messages.ts';
import type { RunContext } from './run-context.ts';
import { renewWatch } from './watch.ts';

/** Erasing takes about a second, and longer when the last email is large. */
const RETENTION_MS = 5_000;
/** Deleting an object takes two calls, so this deletes the objects of the emails that a run can erase. */
const COLLECTION_MS = 5_000;
/** A run does not begin with another object when less time is left. */
const OBJECT_MS = 1_000;

/**
 * The watch is kept only while the monitor is on. A push leaves all of it to the next poll, unless it works on a backlog, because
 * polls then find the mailbox busy.
 */
export async function maintain(run: RunContext, due: DueWork, fetched: FetchEnd): Promise<void> {
  if (run.trigger === 'push' && fetched === 'idle') return;
  if (run.trigger !== 'manual') await renewWatch(run);
  if (due.hasOldRecords) await pruneOldRecords(run.db);
  // Only the account of poll may delete the record of who read which email.
  if (due.hasOldEmailAccesses && run.trigger === 'schedule') await pruneEmailAccesses(run.db);
  if (due.hasOldRuns) await pruneRuns(run.db);
  if (due.hasLedgerChanges) await compactLedgerChanges(run.db, run.lease.mailboxId);
  // Only the account of poll may erase.
  if (due.hasExpiredEmails && run.trigger === 'schedule') await eraseExpired(run);
  if (due.hasOldBucketObjects && run.trigger === 'schedule') await collectOldObjects(run);
}

/** Retention of emails must not end a run that stores email: a failure is logged, and status shows when none succeeds for a day. */
async function eraseExpired({ config, db, deadline, log }: RunContext): Promise<void> {
  if (config.retentionDays === null || !deadline.hasTimeOrHalf(RETENTION_MS)) return;
  try {
    const count = await eraseExpiredEmails(db, config.retentionDays);
    if (count > 0)
      log.info('emails_erased', `Erased ${count} expired ${count === 1 ? 'email' : 'emails'}`, {
        erased_count: count,
      });
  } catch (thrown) {
    const { logFields } = toAppError(thrown);
    log.write('ERROR', 'retention_failed', 'Expired emails could not be erased', logFields);
  }
}

/** An error of the bucket does not fail the run. The next one continues. */
async function collectOldObjects({ clock, db, deadline, largeBytes, log }: RunContext): Promise<void> {
  if (largeBytes === null || largeBytes.isPaused) return;
  const ownDeadline = Deadline.after(COLLECTION_MS, clock);
  const { deletedCount, error } = await collectObjects(db, largeBytes.bucket, {
    minAgeSeconds: DAY_SECONDS,
    hasTime: () => ownDeadline.remainingMs() > 0 && deadline.hasTimeFor(OBJECT_MS),
  });
  if (deletedCount > 0)
    log.info('objects_collected', 'Deleted objects of the bucket to which no row refers', {
      deleted_count: deletedCount,
    });
  if (error !== null) log.write(error.severity, 'collection_failed', error.title, error.logFields);
}
