/** Run records for the console. */
import type { Queryable } from '../../shared/db/database.ts';
import { statement } from '../../shared/db/statement.ts';
import type { Run } from '../../shared/schemas/records.ts';
import { MAX_ID, type PageRequest, type ResultPage, toPage } from './pagination.ts';

// $1 ids below bigint, $2 rows int
const LIST = statement(
  `
select id, trigger, outcome, started_at, duration_ms, discovered_count, stored_count, gone_count, ignored_count,
       failed_count, dead_count, rate_limited_count, quota_units, arrival_to_stored_max_ms, error_code
from ingest_runs
where id < $1::bigint
order by id desc
limit $2::integer`,
  {
    id: 'bigint',
    trigger: 'text',
    outcome: 'text?',
    started_at: 'timestamp with time zone',
    duration_ms: 'integer?',
    discovered_count: 'integer',
    stored_count: 'integer',
    gone_count: 'integer',
    ignored_count: 'integer',
    failed_count: 'integer',
    dead_count: 'integer',
    rate_limited_count: 'integer',
    quota_units: 'integer',
    arrival_to_stored_max_ms: 'integer?',
    error_code: 'text?',
  },
);

/** A page of runs, the newest first. */
export async function listRuns(db: Queryable, request: PageRequest): Promise<ResultPage<Run>> {
  const { rows } = await db.query(LIST, [request.beforeId ?? MAX_ID, request.limit + 1]);
  // Safe: a check constraint limits `trigger` to the values of the type.
  return toPage(rows as Run[], request.limit);
}
