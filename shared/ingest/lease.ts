/** Takes the lease at the start of a run, keeps it alive while the run works, and retries what a run must write at its ends. */
import type { Database } from '../db/database.ts';
import { LEASE_MS, type Lease, releaseLease, renewLease, type TakenLease, takeLease } from '../db/lease.ts';
import type { Trigger } from '../db/runs.ts';
import { Deadline } from '../deadline.ts';
import { type RetryPolicy, withRetries } from '../retry.ts';
import type { IngestContext } from './ingest-context.ts';

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

/**
 * A lease that is not released blocks the mailbox for 40 s. A database that restarts or fails over is away for a few seconds,
 * and the reserve of a run allows about as many.
 */
const POLICY: RetryPolicy = { attempts: 5, baseMs: 200, capMs: 1_000 };
const RETRY_FOR_MS = 2_500;

/** @param write may run twice @throws {AppError} */
export async function withDatabaseRetries<T>(app: IngestContext, write: () => Promise<T>): Promise<T> {
  return await withRetries(write, {
    policy: POLICY,
    deadline: Deadline.after(RETRY_FOR_MS, app.clock),
    random: app.random,
    sleep: app.sleep,
  });
}
