/** Emails and their latency by the hour, added up from the runs: the emails themselves are never counted. */
import type { Queryable } from '../db/database.ts';
import type { Charts } from '../schemas/overview.ts';

// A run belongs to the hour in which it ended. By the index on started_at: no run is longer than the hour that is read
// before the first one.
// $1 hours int
const HOURS = `
with ended as (
  select date_trunc('hour', finished_at, 'UTC') as at,
         sum(stored_count)::integer as email_count,
         round(percentile_cont(0.5) within group (order by arrival_to_stored_max_ms))::integer as latency_median_ms,
         max(arrival_to_stored_max_ms) as latency_max_ms
  from ingest_runs
  where started_at >= date_trunc('hour', now(), 'UTC') - $1::integer * interval '1 hour'
    and finished_at is not null
  group by 1
)
select h.at, coalesce(e.email_count, 0) as email_count, e.latency_median_ms, e.latency_max_ms
from generate_series(
       date_trunc('hour', now(), 'UTC') - ($1::integer - 1) * interval '1 hour',
       date_trunc('hour', now(), 'UTC'),
       interval '1 hour') h (at)
left join ended e on e.at = h.at
order by h.at`;

const HOUR_MS = 3_600_000;

/** The hour that runs now is the last one; `to` is its end. */
export async function readCharts(db: Queryable, hourCount: number): Promise<Charts> {
  const { rows: hours } = await db.query<Charts['hours'][number]>(HOURS, [hourCount]);
  const from = hours[0]?.at ?? new Date();
  return { from, to: new Date(from.getTime() + hours.length * HOUR_MS), hours };
}
