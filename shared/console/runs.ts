/** The record of runs as the console lists it. */
import type { Queryable } from '../db/database.ts';
import type { Run } from '../schemas/records.ts';
import { ABOVE_ALL, type PageAsk, type PageOf, toPage } from './page-of.ts';

/** The newest first. */
export async function listRuns(db: Queryable, ask: PageAsk): Promise<PageOf<Run>> {
  const { rows } = await db.query<Run>(
    `select id, trigger, outcome, started_at, duration_ms, discovered_count, stored_count, gone_count,
            ignored_count, failed_count, dead_count, rate_limited_count, quota_units, arrival_to_stored_max_ms,
            error_code
     from ingest_runs
     where id < $1::bigint
     order by id desc
     limit $2::integer`,
    [ask.before ?? ABOVE_ALL, ask.limit + 1],
  );
  return toPage(rows, ask.limit);
}
