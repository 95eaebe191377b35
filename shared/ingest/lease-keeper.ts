/**
 * Keeps the lease alive while a run works. When a renewal is refused the run is told by its next fenced write;
 * a renewal that only fails to get through is tried again at the next beat.
 */
import type { Database } from '../db/database.ts';
import { type Fence, LEASE_MS, renewLease } from '../db/lease.ts';

/** @returns stops it */
export function keepLease(db: Database, fence: Fence): () => void {
  const timer = setInterval(() => {
    void renewLease(db, fence).catch(() => undefined);
  }, LEASE_MS / 4);
  timer.unref();
  return () => clearInterval(timer);
}
