/** A read that may turn out long, given up in time. Called by the search, which has another way then. */
import { AppError } from '../errors.ts';
import type { Database, Queryable } from './database.ts';
import { isTimeout } from './pg-error.ts';

/**
 * @param limitMs of each statement, whole
 * @returns null when one of them took longer: it was ended by the server
 */
export async function timeBoxed<T>(
  db: Database,
  limitMs: number,
  work: (tx: Queryable) => Promise<T>,
): Promise<T | null> {
  try {
    return await db.transaction(work, limitMs);
  } catch (error) {
    if (error instanceof AppError && isTimeout(error.cause)) return null;
    throw error;
  }
}
