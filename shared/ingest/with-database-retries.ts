/** Retries of what must be written at the start and the end of a run while the database is away for a moment. */
import { Deadline } from '../deadline.ts';
import { type RetryPolicy, withRetries } from '../retry.ts';
import type { IngestContext } from './context.ts';

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
