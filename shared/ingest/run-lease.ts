/** The lease of a run: takes it, renews it while the run works, and retries the writes that release it. */
import type { Database } from '../db/database.ts';
import { LEASE_MS, type Lease, releaseLease, renewLease, type TakenLease, takeLease } from '../db/lease.ts';
import type { Trigger } from '../db/runs.ts';
import { Deadline } from '../deadline.ts';
import { type RetryPolicy, withRetries } from '../retry.ts';
import type { IngestContext } from './ingest-context.ts';

/**
 * @returns null when another instance holds the lease
 * @throws {AppError} database_unavailable; the lease is then released if the database can still be reached
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
    // Perhaps only the answer was lost, and an abandoned lease blocks the mailbox until it expires.
    await withDatabaseRetries(app, async () => await releaseLease(db, lease)).catch(() => undefined);
    throw error;
  }
}

/**
 * Renews the lease while a run works. Failures are ignored: the next heartbeat tries again, and the next fenced write
 * detects a lost lease.
 *
 * @returns a function that stops the heartbeat
 */
export function startLeaseHeartbeat(db: Database, lease: Lease): () => void {
  const timer = setInterval(() => {
    void renewLease(db, lease).catch(() => undefined);
  }, LEASE_MS / 4);
  timer.unref();
  return () => clearInterval(timer);
}

/**
 * A lease that is not released blocks the mailbox for 40 s. A database restart or failover takes a few seconds, and the
 * reserve of a run allows for about as many.
 */
const RETRY_POLICY: RetryPolicy = { attempts: 5, baseMs: 200, capMs: 1_000 };
const RETRY_FOR_MS = 2_500;

/** @param write must be safe to run twice @throws {AppError} the last error of `write` */
export async function withDatabaseRetries<T>(app: IngestContext, write: () => Promise<T>): Promise<T> {
  return await withRetries(write, {
    policy: RETRY_POLICY,
    deadline: Deadline.after(RETRY_FOR_MS, app.clock),
    random: app.random,
    sleep: app.sleep,
  });
}
