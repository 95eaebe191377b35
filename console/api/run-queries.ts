/** The record of runs, for the console. */
import type { Queryable } from '../../shared/db/database.ts';
import { statement } from '../../shared/db/statement.ts';
import type { Run } from '../../shared/schemas/records.ts';
import { ABOVE_ALL, type PageAsk, type PageOf, toPage } from './pagination.ts';

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

/** The newest first. */
export async function listRuns(db: Queryable, ask: PageAsk): Promise<PageOf<Run>> {
  const { rows } = await db.query(LIST, [ask.before ?? ABOVE_ALL, ask.limit + 1]);
  // A constraint of the table holds the triggers.
  return toPage(rows as Run[], ask.limit);
}
