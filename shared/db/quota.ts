/**
 * The quota of a mailbox: a token bucket on its row of mailbox_quota, shared by all instances. Called by `QuotaBudget`.
 * Invariant: the units that all instances reserve never exceed the capacity plus the refill. A call that reaches Gmail within a
 * second of its reservation is then within a quota that Gmail refills continuously.
 */
import type { Queryable } from './database.ts';
import { onlyRow } from './rows.ts';
import { statement } from './statement.ts';

const MAX_RETRY_AFTER_MS = 60_000;

export interface Reservation {
  /** 0, or a multiple of `least`. */
  readonly units: number;
  /** Milliseconds until `least` units may be available; 0 when units were granted. */
  readonly waitMs: number;
  /** Above 0: Gmail limited the rate and no call has succeeded since, so these units are for one call. */
  readonly pauseSeconds: number;
}

// Reserves `least` units, or as many multiples of it as the bucket holds and `most` allows.
// $1 mailbox id, $2 least units, $3 most units, $4 units per minute
// One row, with granted_units 0 when nothing was reserved. No row: the mailbox has no bucket yet.
const RESERVE = statement(
  `
with locked as materialized (
  select q
  from mailbox_quota q
  where q.mailbox_id = $1::integer
  for no key update
),
-- Read after the lock, so that units count that refilled while the statement waited.
clock as materialized (
  select clock_timestamp() as at
  from locked
),
bucket as (
  select (l.q).mailbox_id, (l.q).pause_seconds, c.at,
         refilled_units(l.q, $4::integer, c.at) as available_units,
         -- A call that costs more than the capacity needs a full bucket.
         least($2::integer, quota_capacity($4::integer)) as needed_units,
         greatest(0, extract(epoch from (l.q).paused_until - c.at))::double precision as paused_seconds
  from locked l
  cross join clock c
),
granted as (
  select b.*,
         case
           when b.paused_seconds > 0 or b.available_units < b.needed_units then 0
           when b.pause_seconds > 0 then $2::integer
           else $2::integer * greatest(1, least($3::integer, floor(b.available_units)::integer) / $2::integer)
         end as granted_units
  from bucket b
),
updated as (
  update mailbox_quota q
  set available_units = g.available_units - g.granted_units,
      refilled_at = g.at,
      -- One call after a pause: the next call waits until that one succeeds, or for the same pause again.
      paused_until = case
        when g.pause_seconds > 0 then g.at + g.pause_seconds * interval '1 second'
      end
  from granted g
  where q.mailbox_id = g.mailbox_id
    and g.granted_units > 0
)
select g.granted_units,
       g.pause_seconds,
       greatest(
         g.paused_seconds,
         (g.needed_units - g.available_units) * 60 / $4::integer)::double precision as wait_seconds
from granted g`,
  { granted_units: 'integer', pause_seconds: 'integer', wait_seconds: 'double precision' },
);

// $1 mailbox id, $2 units per minute
const CREATE_BUCKET = statement(`
insert into mailbox_quota (mailbox_id, available_units, refilled_at)
values ($1::integer, quota_capacity($2::integer), clock_timestamp())
on conflict (mailbox_id) do nothing`);

// $1 mailbox id, $2 units, $3 units per minute
const RELEASE = statement(
  `
update mailbox_quota q
set available_units = least(
      quota_capacity($3::integer),
      refilled_units(q, $3::integer, clock_timestamp()) + $2::integer),
    refilled_at = clock_timestamp()
where q.mailbox_id = $1::integer`,
  {},
  { isRepeatable: false },
);

// $1 mailbox id, $2 length in seconds of the pause that the limited call followed, $3 shortest pause in ms
// No row: another call has started or ended a pause since.
const PAUSE = statement(
  `
update mailbox_quota
set pause_seconds = least(16, greatest(1, 2 * pause_seconds)),
    paused_until = clock_timestamp() + greatest(
      $3::integer * interval '1 millisecond',
      least(16, greatest(1, 2 * pause_seconds)) * interval '1 second')
where mailbox_id = $1::integer
  and pause_seconds = $2::integer
returning pause_seconds`,
  { pause_seconds: 'integer' },
);

// $1 mailbox id, $2 length in seconds of the pause that the successful call followed, $3 the next reservation is for one call
const CLEAR_PAUSE = statement(`
update mailbox_quota
set pause_seconds = case when $3::boolean then pause_seconds else 0 end,
    paused_until = null
where mailbox_id = $1::integer
  and pause_seconds = $2::integer`);

/**
 * Reserves units, which count as spent until they are released. If it runs twice, it reserves twice; the extra units refill
 * within seconds.
 *
 * @param ask `most` is rounded down to a multiple of `least`, the price of one call
 * @throws {AppError} database_unavailable
 */
export async function reserveUnits(
  db: Queryable,
  mailboxId: number,
  ask: { readonly least: number; readonly most: number; readonly unitsPerMinute: number },
): Promise<Reservation> {
  const parameters = [mailboxId, ask.least, ask.most, ask.unitsPerMinute];
  let [row] = (await db.query(RESERVE, parameters)).rows;
  if (row === undefined) {
    await db.query(CREATE_BUCKET, [mailboxId, ask.unitsPerMinute]);
    row = await onlyRow(db, RESERVE, parameters);
  }
  return {
    units: row.granted_units,
    // A millisecond more, because a timer may fire early.
    waitMs: row.granted_units > 0 ? 0 : Math.ceil(row.wait_seconds * 1_000) + 1,
    pauseSeconds: row.pause_seconds,
  };
}

/** Releases reserved units that were not spent. Must not run twice: spent units would become available again. */
export async function releaseUnits(
  db: Queryable,
  mailboxId: number,
  units: number,
  unitsPerMinute: number,
): Promise<void> {
  await db.query(RELEASE, [mailboxId, units, unitsPerMinute]);
}

/**
 * Pauses reservations after Gmail rate-limited a call within the budget: for 1 s, or for twice the pause before that call, at
 * most 16 s. May run twice, and once per limited call: calls after the same pause start only one.
 *
 * @param after `pauseSeconds` of the reservation of the call
 * @param retryAfterMs Gmail's Retry-After: the shortest pause, up to a minute
 * @returns the length of the new pause in seconds; null when another call has started or ended a pause since
 */
export async function pauseSpending(
  db: Queryable,
  mailboxId: number,
  after: number,
  retryAfterMs = 0,
): Promise<number | null> {
  const shortestMs = Math.min(Math.round(retryAfterMs), MAX_RETRY_AFTER_MS);
  const { rows } = await db.query(PAUSE, [mailboxId, after, shortestMs]);
  return rows[0]?.pause_seconds ?? null;
}

/**
 * Ends the pause after its one call succeeded. May run twice.
 *
 * @param after `pauseSeconds` of the reservation of the call
 * @param keepsOneCall the next reservation is again for one call, and another rate limit doubles the pause
 */
export async function clearPause(
  db: Queryable,
  mailboxId: number,
  after: number,
  keepsOneCall = false,
): Promise<void> {
  await db.query(CLEAR_PAUSE, [mailboxId, after, keepsOneCall]);
}
