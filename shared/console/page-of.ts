/** Lists that are read from the newest on, page by page: rows that come meanwhile are above what was read. */

export interface PageAsk {
  /** Ids below this one; null for the newest. */
  readonly before: number | null;
  readonly limit: number;
}

export interface PageOf<Row> {
  readonly rows: Row[];
  /** Ask for the next page with it; null at the end. */
  readonly nextBefore: number | null;
}

/** PostgreSQL's greatest integer: above every id. */
export const ABOVE_ALL = 2_147_483_647;

/** @param found one row more than was asked for, if there is one, the highest id first */
export function toPage<Row extends { readonly id: number }>(
  found: readonly Row[],
  limit: number,
): PageOf<Row> {
  const rows = found.slice(0, limit);
  return { rows, nextBefore: found.length > limit ? (rows.at(-1)?.id ?? null) : null };
}
