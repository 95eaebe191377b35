/** The record of runs as the console lists it. */
import type { Queryable } from '../db/database.ts';
import { ABOVE_ALL, type PageAsk, type PageOf, toPage } from './page-of.ts';

/** As it is answered. */
export interface ListedRun {
  readonly id: number;
  readonly trigger: string;
  /** Null while it works, or when it was killed. */
  readonly outcome: string | null;
  readonly started_at: Date;
  readonly duration_ms: number | null;
  readonly discovered_count: number;
  readonly stored_count: number;
  readonly gone_count: number;
  readonly ignored_count: number;
  readonly failed_count: number;
  readonly dead_count: number;
  readonly refused_count: number;
  readonly quota_units: number;
  readonly arrival_to_stored_max_ms: number | null;
  readonly error_code: string | null;
}

/** The newest first. */
export async function listRuns(db: Queryable, ask: PageAsk): Promise<PageOf<ListedRun>> {
  const { rows } = await db.query<ListedRun>(
    `select id, trigger, outcome, started_at, duration_ms, discovered_count, stored_count, gone_count,
            ignored_count, failed_count, dead_count, refused_count, quota_units, arrival_to_stored_max_ms,
            error_code
     from ingest_runs
     where id < $1::integer
     order by id desc
     limit $2::integer`,
    [ask.before ?? ABOVE_ALL, ask.limit + 1],
  );
  return toPage(rows, ask.limit);
}
