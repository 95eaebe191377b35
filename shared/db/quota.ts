/**
 * The quota budget of a mailbox, shared by all instances: the units spent in each second of the last minute
 * stand on the mailbox row. A true sliding window: however Gmail cuts its minutes, no sixty seconds hold more
 * than the budget.
 */
import type { Queryable } from './database.ts';

/** One second more than the minute, because a second is counted whole. */
const WINDOW_SECONDS = 61;

export interface QuotaGrant {
  /** How many calls of the asked price may be made now; 0 to the number asked for. */
  readonly calls: number;
  /** With 0 calls: milliseconds until the window has room for one. */
  readonly waitMs: number;
}

// Take as many calls as fit into what the last minute leaves.
// $1 mailbox id int, $2 calls wanted int, $3 units a call int, $4 units a minute int, $5 window seconds int
// One row always; granted 0 means that the window is full.
const TAKE = `
with clock as (
  select floor(extract(epoch from clock_timestamp()))::bigint as second
),
spent as (
  select m.id,
         coalesce(jsonb_object_agg(s.key, s.value) filter (where s.key is not null), '{}') as kept,
         coalesce(sum(s.value::integer), 0)::integer as units
  from (select id, quota_spent from mailboxes where id = $1::integer for update) m
  cross join clock c
  left join lateral jsonb_each_text(m.quota_spent) s on s.key::bigint > c.second - $5::integer
  group by m.id
),
granted as (
  select id, kept, units,
         greatest(0, least($2::integer, ($4::integer - units) / $3::integer)) as calls
  from spent
),
taken as (
  update mailboxes m
  set quota_spent = case
    when g.calls = 0 then g.kept
    else g.kept || jsonb_build_object(
      c.second::text,
      coalesce((g.kept ->> c.second::text)::integer, 0) + g.calls * $3::integer)
  end
  from granted g, clock c
  where m.id = g.id
  returning g.calls, g.units, m.quota_spent
)
select t.calls,
       case when t.calls = 0 then (
         select min(running.second) + $5::integer - c.second
         from (
           select s.key::bigint as second, sum(s.value::integer) over (order by s.key::bigint) as freed
           from jsonb_each_text(t.quota_spent) s
         ) running
         where t.units - running.freed + $3::integer <= $4::integer
       ) end as wait_seconds
from taken t, clock c`;

/** Takes units for up to `wanted` calls of one price out of the running minute; what is taken counts as spent. */
export async function takeQuota(
  db: Queryable,
  mailboxId: number,
  ask: { readonly wanted: number; readonly unitsPerCall: number; readonly unitsPerMinute: number },
): Promise<QuotaGrant> {
  const { rows } = await db.query<{ calls: number; wait_seconds: string | null }>(TAKE, [
    mailboxId,
    ask.wanted,
    ask.unitsPerCall,
    ask.unitsPerMinute,
    WINDOW_SECONDS,
  ]);
  const row = rows[0];
  if (row === undefined) return { calls: 0, waitMs: 1_000 };
  return { calls: row.calls, waitMs: row.calls > 0 ? 0 : Math.max(1, Number(row.wait_seconds ?? 1)) * 1_000 };
}
