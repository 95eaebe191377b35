/** The objects of the bucket that wait for the collection. Reads at most 1,000 index entries. */
import type { Queryable } from '../../db/database.ts';
import { onlyRow } from '../../db/rows.ts';
import { statement } from '../../db/statement.ts';

/** Where the count stops. */
export const COUNTED_OBJECTS = 1_000;

// Objects that lost their last row, and those of stores that were announced that long ago and have ended.
// $1 minimum age in seconds int
// One row.
const READ = statement(
  `
select count(distinct name) as count, min(greatest(added_at, reserved_at + $1::integer * interval '1 second')) as since
from (
  select name, added_at, reserved_at
  from bucket_objects
  where reserved_at < now() - $1::integer * interval '1 second'
  order by reserved_at
  limit ${COUNTED_OBJECTS}
) oldest`,
  { count: 'bigint', since: 'timestamp with time zone?' },
);

export interface BucketBacklog {
  /** At most `COUNTED_OBJECTS`. */
  readonly count: number;
  /** Since when the first of them waits. */
  readonly since: Date;
}

/** @param minAgeSeconds of the collection @returns null when no object waits */
export async function readBucketBacklog(db: Queryable, minAgeSeconds: number): Promise<BucketBacklog | null> {
  const { count, since } = await onlyRow(db, READ, [minAgeSeconds]);
  return since === null ? null : { count, since };
}
