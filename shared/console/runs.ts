/** The record of runs, for the console. */
import type { Queryable } from '../db/database.ts';
import { statement } from '../db/statement.ts';
import { ABOVE_ALL, type PageAsk, type PageOf, toPage } from './page-of.ts';

/** The JSON answer. */
export interface ListedRun {
  readonly id: number;
  readonly trigger: string;
  /** Null while it works, or when its process was killed. */
  readonly outcome: string | null;
  readonly started_at: Date;
  readonly duration_ms: number | null;
  readonly discovered_count: number;
  readonly stored_count: number;
  readonly gone_count: number;
  readonly ignored_count: number;
  readonly failed_count: number;
  readonly dead_count: number;
  /** Calls that Gmail rejected with a rate limit. */
  readonly rate_limited_count: number;
  readonly quota_units: number;
  readonly arrival_to_stored_max_ms: number | null;
  readonly error_code: string | null;
}

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
export async function listRuns(db: Queryable, ask: PageAsk): Promise<PageOf<ListedRun>> {
  const { rows } = await db.query(LIST, [ask.before ?? ABOVE_ALL, ask.limit + 1]);
  return toPage(rows, ask.limit);
}
