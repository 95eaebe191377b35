/**
 * Deletes the objects of the bucket to which no row refers: those of stores that did not commit, and those of erased emails. Called by
 * scheduled runs, `npm run storage -- collect` and `npm run erase`.
 * Invariant: an object that a store has announced is not deleted, see `shared/db/bucket-objects.ts`. A crash leaves rows, and the next
 * call continues.
 */
import {
  adoptObjects,
  checkUnreferenced,
  findUnreferenced,
  releaseReservations,
} from '../db/bucket-objects.ts';
import type { Queryable } from '../db/database.ts';
import type { Bucket } from './bucket.ts';

/** Far longer than any run, so a store whose announcement is that old has ended. */
export const DAY_SECONDS = 86_400;
/** For an operator who waits. A run ends within half an hour. */
export const HOUR_SECONDS = 3_600;
/** A call of a run, and all its calls together, must not delay the fetching of mail. */
const CALL_MS = 5_000;

export interface Collected {
  readonly deletedCount: number;
  /** Objects to which no row refers, left because a store has announced them within the time. */
  readonly reservedCount: number;
  /** The limit ended it. */
  readonly hasMore: boolean;
}

/**
 * Deletes one batch, the oldest first. May run concurrently.
 *
 * @param options.limit rows of `bucket_objects`
 * @throws {AppError} bucket_unavailable, bucket_denied, database_unavailable; the rest is left for the next call
 */
export async function collectObjects(
  db: Queryable,
  bucket: Bucket,
  options: { readonly minAgeSeconds: number; readonly limit: number },
): Promise<Collected> {
  const { limit, minAgeSeconds } = options;
  const found = await findUnreferenced(db, minAgeSeconds, limit);
  let deletedCount = 0;
  let reservedCount = found.reservedCount;
  for (const name of found.names) {
    const version = await bucket.stat(name, CALL_MS);
    const rows = await checkUnreferenced(db, name, minAgeSeconds);
    // A store has announced the object, or refers to it since.
    if (rows === null) continue;
    const isChanged = version !== null && (await bucket.remove(name, version, CALL_MS)) === 'changed';
    if (isChanged) reservedCount += 1;
    else {
      if (version !== null) deletedCount += 1;
      await releaseReservations(db, rows);
    }
  }
  return { deletedCount, reservedCount, hasMore: found.rowCount === limit };
}

/** Announces the objects that the database does not know, so that a later collection deletes those that are old. @returns how many */
export async function adoptUnknownObjects(db: Queryable, bucket: Bucket): Promise<number> {
  let count = 0;
  for (let page: string | null = null; ; ) {
    const { nextPage, objects } = await bucket.list(page);
    count += await adoptObjects(db, objects);
    if (nextPage === null) return count;
    page = nextPage;
  }
}
