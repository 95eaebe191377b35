/** Emails and latency per hour for the charts, summed from the run records and not from the emails. */
import type { Queryable } from '../../shared/db/database.ts';
import { statement } from '../../shared/db/statement.ts';

import type { Charts } from '../../shared/schemas/overview.ts';

// A run counts in the hour in which it finished. The filter is on started_at because that column has the index. It begins
// one hour before the first hour shown, because no run takes longer than an hour.
// $1 hours int
const HOURS = statement(
  `
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
order by h.at`,
  {
    at: 'timestamp with time zone',
    email_count: 'integer',
    latency_median_ms: 'integer?',
    latency_max_ms: 'integer?',
  },
);

const HOUR_MS = 3_600_000;

/**
 * One row per hour, hours without a run included. The current hour is the last row, and `to` is its end.
 *
 * @param hourCount at least 1
 */
export async function readCharts(db: Queryable, hourCount: number): Promise<Charts> {
  const { rows: hours } = await db.query(HOURS, [hourCount]);
  const from = hours[0]?.at ?? new Date();
  return { from, to: new Date(from.getTime() + hours.length * HOUR_MS), hours };
}
