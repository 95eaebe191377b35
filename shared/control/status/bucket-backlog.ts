/** The objects of the bucket that wait for the collection. Reads at most 1,000 index entries. */
import type { Queryable } from '../../db/database.ts';
import { onlyRow } from '../../db/rows.ts';
import { statement } from '../../db/statement.ts';

/** Where the count stops. */
export const COUNTED_OBJECTS = 1_000;

// Objects that lost their last row, and those of stores that were announced a day ago and have ended.
// One row.
const READ = statement(
  `
select count(distinct name) as count, min(greatest(added_at, reserved_at + interval '1 day')) as since
from (
  select name, added_at, reserved_at
  from bucket_objects
  where reserved_at < now() - interval '1 day'
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

/** @returns null when no object waits */
export async function readBucketBacklog(db: Queryable): Promise<BucketBacklog | null> {
  const { count, since } = await onlyRow(db, READ);
  return since === null ? null : { count, since };
}
