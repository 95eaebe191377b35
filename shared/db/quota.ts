/**
 * The quota budget of a mailbox, shared by all instances: the units spent in each second of the last minute
 * stand on the mailbox row. A true sliding window: however Gmail cuts its minutes, no sixty seconds hold more
 * than the budget.
 */
import type { Queryable } from './database.ts';
import { prepared } from './statement.ts';

/**
 * One second more than the minute, because a second is counted whole; then what lies between the booking and Gmail's own
 * count: 0.3 s in hand (see `purse.ts`), and half a second on the way, which a busy machine needs. A backlog can use 60
 * of these: 97 % of its budget.
 */
const WINDOW_SECONDS = 61.8;

/**
 * An expression of SQL, for what a person is shown: the units that stand booked in the last minute, integer, 0 when none do.
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
  /** With 0 units: milliseconds until the window has room for the least. */
  readonly waitMs: number;
  /** Where they are booked: the epoch second, for giving back what was not spent. */
  readonly second: string;
}

// Take up to $3 units, at least $2 or none, out of what the last minute leaves.
// $1 mailbox id int, $2 least int, $3 most int, $4 units a minute int, $5 window seconds numeric
// One row always; granted 0 means that the window is too full.
const TAKE = prepared(`
with locked as materialized (
  select id, quota_spent
  from mailboxes
  where id = $1::integer
  for update
),
-- Read behind the lock: whoever waited for it spends now, not when the wait began.
clock as materialized (
  select extract(epoch from clock_timestamp()) as epoch, floor(extract(epoch from clock_timestamp()))::bigint as second
  from locked
),
spent as (
  select m.id,
         coalesce(jsonb_object_agg(s.key, s.value::integer) filter (where s.key is not null), '{}') as kept,
         coalesce(sum(s.value::integer), 0)::integer as units
  from locked m
  cross join clock c
  left join lateral jsonb_each_text(m.quota_spent) s on s.key::bigint > c.epoch - $5::numeric
  group by m.id
),
granted as (
  select id, kept, units,
         case when $4::integer - units >= $2::integer then least($3::integer, $4::integer - units) else 0 end
           as granted
  from spent
),
taken as (
  update mailboxes m
  set quota_spent = case
    when g.granted = 0 then g.kept
    else g.kept || jsonb_build_object(
      c.second::text,
      coalesce((g.kept ->> c.second::text)::integer, 0) + g.granted)
  end
  from granted g, clock c
  where m.id = g.id
  returning g.granted, g.units, m.quota_spent
)
select t.granted, c.second,
       case when t.granted = 0 then (
         select min(running.second) + $5::numeric - c.epoch
         from (
           select s.key::bigint as second, sum(s.value::integer) over (order by s.key::bigint) as freed
           from jsonb_each_text(t.quota_spent) s
         ) running
         where t.units - running.freed + $2::integer <= $4::integer
       ) end as wait_seconds
from taken t, clock c`);

/** Takes units out of the running minute; what is taken counts as spent. */
export async function takeQuota(
  db: Queryable,
  mailboxId: number,
  ask: { readonly least: number; readonly most: number; readonly unitsPerMinute: number },
): Promise<QuotaGrant> {
  const { rows } = await db.query<{ granted: number; second: string; wait_seconds: string | null }>(TAKE, [
    mailboxId,
    ask.least,
    ask.most,
    ask.unitsPerMinute,
    WINDOW_SECONDS,
  ]);
  const row = rows[0];
  if (row === undefined) return { units: 0, waitMs: 1_000, second: '0' };
  // A millisecond more: exactly then the second still counts.
  const waitMs = row.granted > 0 ? 0 : Math.max(1, Math.ceil(Number(row.wait_seconds ?? 1) * 1_000) + 1);
  return { units: row.granted, waitMs, second: row.second };
}

/** Gives units back that were taken and not spent. Called once for a grant. */
export async function returnQuota(
  db: Queryable,
  mailboxId: number,
  unspent: { readonly second: string; readonly units: number },
): Promise<void> {
  await db.query(
    `update mailboxes
     set quota_spent = quota_spent || jsonb_build_object(
       $2::text, greatest(0, (quota_spent ->> $2::text)::integer - $3::integer))
     where id = $1::integer
       and quota_spent ? $2::text`,
    [mailboxId, unspent.second, unspent.units],
  );
}
