/**
 * Deletes the objects of the bucket to which no row refers: those of stores that did not commit, and those of erased emails. Called by
 * scheduled runs, `npm run storage -- collect` and `npm run erase`.
 * Invariant: an object that a store has announced is not deleted, see `shared/bucket/bucket-objects.ts`. A crash leaves rows, and the next
 * call continues.
 */

import type { Queryable } from '../db/database.ts';
import { AppError, isBucketError, toAppError } from '../errors.ts';
import type { Bucket } from './bucket.ts';
import {
  adoptObjects,
  checkUnreferenced,
  countKnown,
  findUnreferenced,
  releaseReservations,
} from './bucket-objects.ts';

/**
 * Far longer than any run, so a store whose announcement is that old has ended. The SQL function `has_old_bucket_objects`, which
 * makes a run collect, has the same time.
 */
export const DAY_SECONDS = 86_400;
/** For an operator who waits. A run ends within half an hour. */
export const HOUR_SECONDS = 3_600;
/** A call must not delay the fetching of mail. */
const CALL_MS = 5_000;
const BATCH_ROWS = 96;
/** Objects at once: each waits for two answers of the bucket and two of the database. */
const AT_ONCE = 8;

export interface Collected {
  readonly deletedCount: number;
  /** Objects to which no row refers, left because a store has announced them within the time. */
  readonly reservedCount: number;
  /** The first of the bucket, see `isBucketError`. What failed is left for the next call. */
  readonly error: AppError | null;
}

export interface CollectOptions {
  readonly minAgeSeconds: number;
  /** Asked before every eight objects; false leaves the rest for the next call. Default: true. */
  readonly hasTime?: () => boolean;
  readonly onDeleted?: (deletedCount: number) => void;
}

/**
 * Deletes the oldest first, until nothing is left or `hasTime` ends it. An object that cannot be deleted does not stop the others. May
 * run concurrently.
 *
 * @throws {AppError} database_unavailable and others of the database; the rest is left for the next call
 */
export async function collectObjects(
  db: Queryable,
  bucket: Bucket,
  { hasTime = () => true, minAgeSeconds, onDeleted }: CollectOptions,
): Promise<Collected> {
  const left: string[] = [];
  let deletedCount = 0;
  let reservedCount = 0;
  let error: AppError | null = null;
  for (let hasMore = true; hasMore; ) {
    const found = await findUnreferenced(db, { minAgeSeconds, limit: BATCH_ROWS, without: left });
    reservedCount += found.reservedCount;
    hasMore = found.rowCount === BATCH_ROWS;
    for (let start = 0; start < found.names.length; start += AT_ONCE) {
      if (!hasTime()) return { deletedCount, reservedCount, error };
      const names = found.names.slice(start, start + AT_ONCE);
      const results = await Promise.all(
        names.map(async (name) => await collectObject(db, bucket, name, minAgeSeconds)),
      );
      const failures = results.filter((result) => result instanceof AppError);
      error ??= failures[0] ?? null;
      left.push(...names.filter((_name, n) => results[n] === 'changed' || results[n] instanceof AppError));
      reservedCount += results.filter((result) => result === 'changed').length;
      deletedCount += results.filter((result) => result === 'deleted').length;
      onDeleted?.(deletedCount);
      // Otherwise each of the others would wait for its timeout.
      const unavailable = failures.filter(({ code }) => code === 'bucket_unavailable');
      if (unavailable.length === names.length) return { deletedCount, reservedCount, error };
    }
  }
  return { deletedCount, reservedCount, error };
}

/** @returns kept: a store has announced the object, or refers to it since; changed: the same, after its version was read */
async function collectObject(
  db: Queryable,
  bucket: Bucket,
  name: string,
  minAgeSeconds: number,
): Promise<'deleted' | 'missing' | 'kept' | 'changed' | AppError> {
  try {
    const version = await bucket.stat(name, CALL_MS);
    const rows = await checkUnreferenced(db, name, minAgeSeconds);
    if (rows === null) return 'kept';
    if (version !== null && (await bucket.remove(name, version, CALL_MS)) === 'changed') return 'changed';
    await releaseReservations(db, rows);
    return version === null ? 'missing' : 'deleted';
  } catch (thrown) {
    const error = toAppError(thrown);
    if (isBucketError(error.code)) return error;
    throw error;
  }
}

/** Lists the bucket. @returns to how many objects a row refers, and how many the database does not know */
export async function countObjectsOf(
  db: Queryable,
  bucket: Bucket,
): Promise<{ readonly referencedCount: number; readonly unknownCount: number }> {
  const total = { referencedCount: 0, unknownCount: 0 };
  for (let page: string | null = null; ; ) {
    const { nextPage, objects } = await bucket.list(page);
    const names = objects.map(({ name }) => name);
    const { referencedCount, unknownCount } = await countKnown(db, names);
    total.referencedCount += referencedCount;
    total.unknownCount += unknownCount;
    if (nextPage === null) return total;
    page = nextPage;
  }
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
