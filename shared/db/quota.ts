/**
 * The quota budget of a mailbox, shared by all instances: it stands on the mailbox row. Gmail says how many units a minute
 * there are, and not how it cuts its minutes, so two counts stand there:
 *
 * A budget that refills while it is spent, from empty to full in a minute. It rules until Gmail refuses what it allows.
 *
 * The units of each second of the last minute, a true sliding window: however Gmail cuts its minutes, no sixty seconds
 * hold more than the budget. It rules for a week after such a refusal. It is the stricter of the two at any time, so that
 * a Gmail of either kind refuses a few calls a week, and loses none.
 */
import type { Queryable } from './database.ts';
import { prepared } from './statement.ts';

/** Between the booking and Gmail's own count: 0.3 s in hand (see `purse.ts`), and half a second on the way, which a busy machine needs. */
const LATE_SECONDS = 0.8;
/** One second more than the minute, because a second is counted whole. A backlog can use 60 of these: 97 % of its budget. */
const WINDOW_SECONDS = 61 + LATE_SECONDS;
/** After it, the refilling budget is tried again: Gmail may have changed, or somebody else had spent the units. */
const STRICT_DAYS = 7;

/**
 * An expression of SQL, for what a person is shown: the units that stand booked in the last minute, integer, 0 when none
 * do. Up to two budgets, where a full one was spent and refilled within it.
 *
 * @param mailbox alias of the row
 */
export function unitsOfLastMinute(mailbox: string): string {
  return `(select coalesce(sum(s.value::integer), 0)::integer
           from jsonb_each_text(${mailbox}.quota_spent) s
           where s.key::bigint > extract(epoch from now()) - 60)`;
}

export interface QuotaGrant {
  /** What may be spent now: 0, or the least asked for up to the most. */
  readonly units: number;
  /** With 0 units: milliseconds until there is room for the least. */
  readonly waitMs: number;
  /** Where they are booked: the epoch second, for giving back what was not spent. */
  readonly second: string;
}

// Take up to $3 units, at least $2 or none, out of what the budget leaves.
// $1 mailbox id int, $2 least int, $3 most int, $4 units a minute int, $5 window seconds numeric, $6 late seconds float
// What Gmail counts late it counts against a budget that has refilled less: so much of it is left alone.
// One row always; granted 0 means that there is too little.
const TAKE = prepared(`
with locked as materialized (
  select id, quota_spent, quota_owed, quota_owed_at, quota_strict_until
  from mailboxes
  where id = $1::integer
  for update
),
-- Read behind the lock: whoever waited for it spends now, not when the wait began.
clock as materialized (
  select clock_timestamp() as at, extract(epoch from clock_timestamp()) as epoch,
         floor(extract(epoch from clock_timestamp()))::bigint as second,
         $4::integer / 60.0::float8 as units_a_second
  from locked
),
spent as (
  select m.id,
         coalesce(m.quota_strict_until > max(c.at), false) as is_strict,
         greatest(0, m.quota_owed - extract(epoch from max(c.at) - m.quota_owed_at) * max(c.units_a_second)) as owed,
         coalesce(jsonb_object_agg(s.key, s.value::integer) filter (where s.key is not null), '{}') as kept,
         coalesce(sum(s.value::integer), 0)::integer as units
  from locked m
  cross join clock c
  left join lateral jsonb_each_text(m.quota_spent) s on s.key::bigint > c.epoch - $5::numeric
  group by m.id, m.quota_strict_until, m.quota_owed, m.quota_owed_at
),
room as (
  select s.*,
         case
           when s.is_strict then $4::integer - s.units
           -- A full one may be spent whole: a watch, of 100 units, under a budget of 100.
           when s.owed = 0 then greatest(least($2::integer, $4::integer), floor($4::integer - $6::float8 * c.units_a_second)::integer)
           else floor($4::integer - $6::float8 * c.units_a_second - s.owed)::integer
         end as room
  from spent s, clock c
),
granted as (
  select r.*, case when room >= $2::integer then least($3::integer, room) else 0 end as granted
  from room r
),
taken as (
  update mailboxes m
  set quota_owed = g.owed + g.granted,
      quota_owed_at = c.at,
      quota_spent = case
        when g.granted = 0 then g.kept
        else g.kept || jsonb_build_object(
          c.second::text,
          coalesce((g.kept ->> c.second::text)::integer, 0) + g.granted)
      end
  from granted g, clock c
  where m.id = g.id
  returning g.granted, g.units, g.room, g.is_strict, m.quota_spent
)
select t.granted, c.second,
       case
         when t.granted > 0 then null
         when not t.is_strict then ($2::integer - t.room) / c.units_a_second
         else (
           select min(running.second) + $5::numeric - c.epoch
           from (
             select s.key::bigint as second, sum(s.value::integer) over (order by s.key::bigint) as freed
             from jsonb_each_text(t.quota_spent) s
           ) running
           where t.units - running.freed + $2::integer <= $4::integer
         )
       end::float8 as wait_seconds
from taken t, clock c`);

/** Takes units out of the budget; what is taken counts as spent. */
export async function takeQuota(
  db: Queryable,
  mailboxId: number,
  ask: { readonly least: number; readonly most: number; readonly unitsPerMinute: number },
): Promise<QuotaGrant> {
  const { rows } = await db.query<{ granted: number; second: string; wait_seconds: number | null }>(TAKE, [
    mailboxId,
    ask.least,
    ask.most,
    ask.unitsPerMinute,
    WINDOW_SECONDS,
    LATE_SECONDS,
  ]);
  const row = rows[0];
  if (row === undefined) return { units: 0, waitMs: 1_000, second: '0' };
  // A millisecond more: exactly then the second still counts.
  const waitMs = row.granted > 0 ? 0 : Math.max(1, Math.ceil((row.wait_seconds ?? 1) * 1_000) + 1);
  return { units: row.granted, waitMs, second: row.second };
}

/** Gives units back that were taken and not spent. Called once for a grant; run twice, a few units count as unspent that were. */
export async function returnQuota(
  db: Queryable,
  mailboxId: number,
  unspent: { readonly second: string; readonly units: number },
): Promise<void> {
  await db.query(
    `update mailboxes
     set quota_owed = greatest(0, quota_owed - $3::integer),
         quota_spent = quota_spent || jsonb_build_object(
           $2::text, greatest(0, (quota_spent ->> $2::text)::integer - $3::integer))
     where id = $1::integer
       and quota_spent ? $2::text`,
    [mailboxId, unspent.second, unspent.units],
  );
}

/**
 * Gmail has refused a call for its units. Where more was spent within a minute than the budget of one, it is a Gmail that
 * counts its minutes whole: from now on the window rules. Not for calls in flight: those are refused of any Gmail while the
 * pace is felt for. May run twice.
 *
 * @returns true while the window rules
 */
export async function noteRefusal(
  db: Queryable,
  mailboxId: number,
  unitsPerMinute: number,
): Promise<boolean> {
  const { rows } = await db.query<{ is_strict: boolean }>(
    `update mailboxes m
     set quota_strict_until = case
       when (
         select sum(s.value::integer)
         from jsonb_each_text(m.quota_spent) s
         where s.key::bigint > extract(epoch from now()) - 60
       ) > $2::integer then now() + $3::integer * interval '1 day'
       else m.quota_strict_until
     end
     where id = $1::integer
     returning coalesce(quota_strict_until > now(), false) as is_strict`,
    [mailboxId, unitsPerMinute, STRICT_DAYS],
  );
  return rows[0]?.is_strict === true;
}
