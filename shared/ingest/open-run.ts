/**
 * The begin of every run: the lease, and the row that says so. Both or neither: a lease that a failed begin left
 * behind would stop everybody until it expires.
 */
import { type Fence, type LeasedState, releaseLease, takeLease } from '../db/lease.ts';
import { beginRun, type Trigger } from '../db/runs.ts';
import type { System } from './run.ts';
import { withPatience } from './with-patience.ts';

export interface OpenedRun {
  readonly runId: number;
  readonly leased: LeasedState;
}

/**
 * @returns null when somebody else holds the lease
 * @throws {AppError} database_unavailable; the lease is not held then, as far as the database could be told so
 */
export async function openRun(system: System, fence: Fence, trigger: Trigger): Promise<OpenedRun | null> {
  const { db } = system;
  try {
    const leased = await takeLease(db, fence, system.holder);
    if (leased === null) return null;
    return { leased, runId: await beginRun(db, fence.mailboxId, trigger) };
  } catch (error) {
    // Also when only the answer to the taking was lost.
    await withPatience(system, async () => await releaseLease(db, fence, null)).catch(() => undefined);
    throw error;
  }
}
