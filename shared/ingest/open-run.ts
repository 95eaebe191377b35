/** The begin of every run. A lease that a failed begin left behind would stop everybody until it expires. */
import { dropLease, type Fence, type Leased, takeLease } from '../db/lease.ts';
import type { Trigger } from '../db/runs.ts';
import type { System } from './run.ts';
import { withPatience } from './with-patience.ts';

/**
 * @returns null when somebody else holds the lease
 * @throws {AppError} database_unavailable; the lease is not held then, as far as the database could be told so
 */
export async function openRun(system: System, fence: Fence, trigger: Trigger): Promise<Leased | null> {
  const { db, holder } = system;
  try {
    return await takeLease(db, fence, { holder, trigger });
  } catch (error) {
    // Only the answer to the taking may have been lost.
    await withPatience(system, async () => await dropLease(db, fence)).catch(() => undefined);
    throw error;
  }
}
