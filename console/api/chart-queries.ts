/** Emails and their latency per hour, summed over the runs: the emails themselves are not counted. */
import type { Queryable } from '../../shared/db/database.ts';
import { statement } from '../../shared/db/statement.ts';

import type { Charts } from '../../shared/schemas/overview.ts';

// A run belongs to the hour in which it ended. Found by the index on started_at, from an hour before the first one on: no
// run takes longer.
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

/** The current hour is the last one; `to` is its end. */
export async function readCharts(db: Queryable, hourCount: number): Promise<Charts> {
  const { rows: hours } = await db.query(HOURS, [hourCount]);
  const from = hours[0]?.at ?? new Date();
  return { from, to: new Date(from.getTime() + hours.length * HOUR_MS), hours };
}
