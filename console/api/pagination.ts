/**
 * Keyset pagination by id, the highest first.
 * Invariant: rows that are added while a client reads page by page do not move the pages that follow.
 */

export interface PageRequest {
  /** Return only ids below this one; null starts at the newest. */
  readonly beforeId: number | null;
  readonly limit: number;
}

export interface ResultPage<Row> {
  readonly rows: Row[];
  /** `beforeId` of the next page; null on the last page. */
  readonly nextBeforeId: number | null;
}

/** Higher than every id of a table, bigint ids included. */
export const MAX_ID = Number.MAX_SAFE_INTEGER;

/** @param found sorted by id, the highest first, with one row more than `limit` when there is a next page */
export function toPage<Row extends { readonly id: number }>(
  found: readonly Row[],
  limit: number,
): ResultPage<Row> {
  const rows = found.slice(0, limit);
  return { rows, nextBeforeId: found.length > limit ? (rows.at(-1)?.id ?? null) : null };
}
