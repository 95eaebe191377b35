/** The record of runs: one row a run, written at its start, so that a killed run shows as one without outcome. */
import type { Queryable } from './database.ts';

export type Trigger = 'schedule' | 'push' | 'manual';

export interface RunCounts {
  discovered: number;
  stored: number;
  gone: number;
  ignored: number;
  failed: number;
  dead: number;
  quotaUnits: number;
  /** Calls whose rate Gmail limited. */
  rateLimited: number;
  /** The longest time of a live message from Gmail's acceptance to its commit; null when none was stored. */
  arrivalToStoredMaxMs: number | null;
}

export function noCounts(): RunCounts {
  return {
    discovered: 0,
    stored: 0,
    gone: 0,
    ignored: 0,
    failed: 0,
    dead: 0,
    quotaUnits: 0,
    rateLimited: 0,
    arrivalToStoredMaxMs: null,
  };
}

/** Rows older than this are removed: the log keeps the lines longer if somebody wants them. */
const KEPT_DAYS = 90;

/** At the most in one go. Gmail pushes once a second at the most, which is 86,400 runs a day; the polls of a day are 1,440. */
const PRUNED_ROWS = 2_000;

/** An expression of SQL: rows are a day beyond their time. With a day's worth of them a poll in thirty has a statement more. */
export const HAS_OLD_RUNS = `exists (
  select 1
  from ingest_runs
  where started_at < now() - interval '${KEPT_DAYS + 1} days'
)`;

/** A run that failed before it knew its mailbox: one row, ended already. @returns its id */
export async function recordUnidentifiedRun(
  db: Queryable,
  trigger: Trigger,
  errorCode: string,
): Promise<number> {
  const { rows } = await db.query<{ id: number }>(
    `insert into ingest_runs (trigger, outcome, finished_at, duration_ms, error_code)
     values ($1::text, 'failed', now(), 0, $2::text)
     returning id`,
    [trigger, errorCode],
  );
  return rows[0]?.id ?? 0;
}

/** Removes some of the oldest rows; called often enough that they never pile up. */
export async function pruneRuns(db: Queryable): Promise<number> {
  const { rowCount } = await db.query(
    `delete from ingest_runs
     where id in (
       select id
       from ingest_runs
       where started_at < now() - $1::integer * interval '1 day'
       order by started_at
       limit $2::integer
     )`,
    [KEPT_DAYS, PRUNED_ROWS],
  );
  return rowCount;
}
