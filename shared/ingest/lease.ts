/** Takes the lease at the start of a run and keeps it alive while the run works. */
import type { Database } from '../db/database.ts';
import { LEASE_MS, type Lease, releaseLease, renewLease, type TakenLease, takeLease } from '../db/lease.ts';
import type { Trigger } from '../db/runs.ts';
import type { IngestContext } from './context.ts';
import { withDatabaseRetries } from './with-database-retries.ts';

/**
 * @returns null when another instance holds the lease
 * @throws {AppError} database_unavailable; the lease is released then, if the database can still be reached
 */
export async function openRun(
  app: IngestContext,
  lease: Lease,
  trigger: Trigger,
): Promise<TakenLease | null> {
  const { db, holder, config } = app;
  try {
    return await takeLease(db, lease, { holder, trigger, settleSeconds: config.settleSeconds });
  } catch (error) {
    // Only the answer may have been lost: a lease that is left behind blocks the mailbox until it expires.
    await withDatabaseRetries(app, async () => await releaseLease(db, lease)).catch(() => undefined);
    throw error;
  }
}

/**
 * Renews the lease while a run works. A refused renewal is noticed by the next fenced write; one that fails to get through is
 * repeated at the next beat.
 *
 * @returns stops it
 */
export function startLeaseHeartbeat(db: Database, lease: Lease): () => void {
  const timer = setInterval(() => {
    void renewLease(db, lease).catch(() => undefined);
  }, LEASE_MS / 4);
  timer.unref();
  return () => clearInterval(timer);
}
