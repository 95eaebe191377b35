/** Pages of a list, from the highest id down: rows that are added in the meantime are above the pages that were read. */

export interface PageAsk {
  /** Only ids below this one; null for the newest. */
  readonly before: number | null;
  readonly limit: number;
}

export interface PageOf<Row> {
  readonly rows: Row[];
  /** The `before` of the next page; null at the end. */
  readonly nextBefore: number | null;
}

/** Above every id, those of type bigint included. */
export const ABOVE_ALL = Number.MAX_SAFE_INTEGER;

/** @param found the highest id first, one row more than `limit` if there are more */
export function toPage<Row extends { readonly id: number }>(
  found: readonly Row[],
  limit: number,
): PageOf<Row> {
  const rows = found.slice(0, limit);
  return { rows, nextBefore: found.length > limit ? (rows.at(-1)?.id ?? null) : null };
}
