/**
 * The table `bucket_objects`: which objects of the bucket may have no row. Called by the other files here and by commands.
 * Invariant: a store adds its rows before it looks at the bucket, and the collection reads the version of an object before it looks at
 * these rows. So either the collection sees the store, or the store changes the version and the delete fails.
 */
import type { Queryable } from '../db/database.ts';
import { camelCase, onlyRow } from '../db/rows.ts';
import { statement } from '../db/statement.ts';

// $1 names text[]
const RESERVE = statement(
  `
insert into bucket_objects (name)
select unnest($1::text[])
returning id, name`,
  { id: 'bigint', name: 'text' },
  { isRepeatable: false },
);

// A statement of its own, whose snapshot follows the commit of the reservation.
// $1 names text[]
const REFERENCED = statement(
  `
select name
from unnest($1::text[]) name
where is_bucket_object_referenced(name)`,
  { name: 'text' },
);

/** @returns those of the names to which a row refers */
export async function findReferenced(db: Queryable, names: readonly string[]): Promise<Set<string>> {
  return new Set((await db.query(REFERENCED, [names])).rows.map(({ name }) => name));
}

export interface Reservation {
  /** The rows. The commit that refers to the objects deletes them. */
  readonly ids: readonly number[];
  /** Names of objects to which a row refers already. */
  readonly referenced: ReadonlySet<string>;
}

/** Announces uploads: from now on the collection leaves these objects for a day. */
export async function reserveObjects(db: Queryable, names: readonly string[]): Promise<Reservation> {
  const { rows } = await db.query(RESERVE, [names]);
  return { ids: rows.map(({ id }) => id), referenced: await findReferenced(db, names) };
}

// $1 ids bigint[]
const RELEASE = statement('delete from bucket_objects where id = any ($1::bigint[])', {});

/** For the transaction that refers to the objects, or after they were deleted. May run twice. */
export async function releaseReservations(db: Queryable, ids: readonly number[]): Promise<void> {
  if (ids.length > 0) await db.query(RELEASE, [ids]);
}

// Rows of objects to which a row refers need no check: when it stops referring, a trigger adds a new row.
// $1 minimum age in seconds int, $2 rows int, $3 names to leave out text[]
// One row.
const SETTLE = statement(
  `
with old as materialized (
  select id, name
  from bucket_objects
  where reserved_at < now() - $1::integer * interval '1 second'
    and name <> all ($3::text[])
  order by reserved_at, id
  limit $2::integer
),
judged as materialized (
  select old.id, old.name, is_bucket_object_referenced(old.name) as is_referenced,
         exists (
           select
           from bucket_objects newer
           where newer.name = old.name
             and newer.reserved_at >= now() - $1::integer * interval '1 second'
         ) as is_reserved
  from old
),
settled as (
  delete from bucket_objects o
  using judged j
  where o.id = j.id
    and (j.is_referenced or j.is_reserved)
)
select coalesce(array_agg(distinct name) filter (where not is_referenced and not is_reserved), '{}') as names,
       count(distinct name) filter (where not is_referenced and is_reserved) as reserved_count,
       count(*) as row_count
from judged`,
  { names: 'text[]', reserved_count: 'bigint', row_count: 'bigint' },
);

export interface Unreferenced {
  /** Of objects to which no row refers and which no store has reserved. */
  readonly names: readonly string[];
  /** Objects to which no row refers, but which a store has reserved. */
  readonly reservedCount: number;
  /** More may follow when it is `limit`. */
  readonly rowCount: number;
}

/** Reads the oldest rows, and deletes those that need no check. May run concurrently. */
export async function findUnreferenced(
  db: Queryable,
  {
    limit,
    minAgeSeconds,
    without,
  }: { readonly minAgeSeconds: number; readonly limit: number; readonly without: readonly string[] },
): Promise<Unreferenced> {
  return camelCase(await onlyRow(db, SETTLE, [minAgeSeconds, limit, without]));
}

// $1 name text, $2 minimum age in seconds int
// No row: a row refers to the object, or a store has reserved it.
const CHECK = statement(
  `
select array_agg(id)::text[] as ids
from bucket_objects
where name = $1::text
having max(reserved_at) < now() - $2::integer * interval '1 second'
   and not is_bucket_object_referenced($1::text)`,
  { ids: 'text[]' },
);

/**
 * Call it after the version of the object was read.
 *
 * @returns the rows to release after the object is deleted; null when it must stay
 */
export async function checkUnreferenced(
  db: Queryable,
  name: string,
  minAgeSeconds: number,
): Promise<number[] | null> {
  const { rows } = await db.query(CHECK, [name, minAgeSeconds]);
  return rows[0]?.ids.map(Number) ?? null;
}

// $1 names text[]
// One row.
const COUNT_KNOWN = statement(
  `
select count(*) filter (where is_bucket_object_referenced(name)) as referenced_count,
       count(*) filter (
         where not is_bucket_object_referenced(name)
           and not exists (select from bucket_objects o where o.name = listed.name)
       ) as unknown_count
from unnest($1::text[]) as listed (name)`,
  { referenced_count: 'bigint', unknown_count: 'bigint' },
);

/** @returns to how many of these objects a row refers, and how many the database does not know */
export async function countKnown(
  db: Queryable,
  names: readonly string[],
): Promise<{ readonly referencedCount: number; readonly unknownCount: number }> {
  return camelCase(await onlyRow(db, COUNT_KNOWN, [names]));
}

// $1 names text[], $2 times timestamptz[]
const ADOPT = statement(
  `
insert into bucket_objects (name, reserved_at)
select name, created_at
from unnest($1::text[], $2::timestamptz[]) as listed (name, created_at)
where not is_bucket_object_referenced(name)
  and not exists (select from bucket_objects o where o.name = listed.name)`,
  {},
  { isRepeatable: false },
);

/**
 * Adds the objects of the bucket that the database does not know, for example after it was restored from a backup.
 *
 * @returns how many
 */
export async function adoptObjects(
  db: Queryable,
  objects: readonly { readonly name: string; readonly createdAt: Date }[],
): Promise<number> {
  const { rowCount } = await db.query(ADOPT, [
    objects.map(({ name }) => name),
    objects.map(({ createdAt }) => createdAt),
  ]);
  return rowCount;
}

// One row.
const COUNT_RELEASED = statement(
  `
select count(distinct name) as count
from bucket_objects
where reserved_at = '-infinity'
  and not is_bucket_object_referenced(name)`,
  { count: 'bigint' },
);

/** @returns how many objects lost their last row and are not deleted yet */
export async function countReleased(db: Queryable): Promise<number> {
  return (await onlyRow(db, COUNT_RELEASED)).count;
}

// $1 minimum age in seconds int
// One row.
const RESERVED = statement(
  `
select count(distinct name) as count, max(reserved_at) + $1::integer * interval '1 second' as until
from bucket_objects
where reserved_at > now() - $1::integer * interval '1 second'
  and not is_bucket_object_referenced(name)`,
  { count: 'bigint', until: 'timestamp with time zone?' },
);

export interface ReservedObjects {
  readonly count: number;
  /** From then on a collection deletes those to which no row refers. */
  readonly until: Date;
}

/**
 * The objects to which no row refers, and whose upload was announced within this time. Not every announced object was uploaded. Null
 * without any.
 *
 * @param minAgeSeconds as the collection gets it
 */
export async function readReserved(db: Queryable, minAgeSeconds: number): Promise<ReservedObjects | null> {
  const { count, until } = await onlyRow(db, RESERVED, [minAgeSeconds]);
  return until === null ? null : { count, until };
}

// One row.
const HAS_MOVED = statement(
  `
select exists (select from email_attachments where bucket_object is not null)
    or exists (select from email_raw where bucket_object is not null) as has_moved`,
  { has_moved: 'boolean' },
);

/** @returns whether the bytes of an attachment or of a raw email are in a bucket */
export async function hasBytesInBucket(db: Queryable): Promise<boolean> {
  return (await onlyRow(db, HAS_MOVED)).has_moved;
}
