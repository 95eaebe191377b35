/** The record of runs: one row per run, inserted at its start, so that a killed run is a row without an outcome. */
import type { Queryable } from './database.ts';
import { statement } from './statement.ts';

export type Trigger = 'schedule' | 'push' | 'manual';

export interface RunCounts {
  discovered: number;
  stored: number;
  gone: number;
  ignored: number;
  failed: number;
  dead: number;
  quotaUnits: number;
  /** Calls that Gmail rejected with a rate limit. */
  rateLimited: number;
  /** The longest time of a live email from Gmail's acceptance to its commit; null when the run stored none. */
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

/** Older rows are removed, in batches when `has_old_runs` is true; the log can keep its lines for longer. */
const KEPT_DAYS = 90;

/** At most per call. Gmail pushes at most once per second, 86,400 runs per day, and 1,440 polls per day prune. */
const PRUNED_ROWS = 2_000;

// $1 trigger text, $2 error code text
const INSERT_UNIDENTIFIED = statement(
  `
insert into ingest_runs (trigger, outcome, finished_at, duration_ms, error_code)
values ($1::text, 'failed', now(), 0, $2::text)
returning id`,
  { id: 'bigint' },
  { isRepeatable: false },
);

// $1 days int, $2 rows int
const PRUNE = statement(
  `
delete from ingest_runs
where id in (
  select id
  from ingest_runs
  where started_at < now() - $1::integer * interval '1 day'
  order by started_at
  limit $2::integer
)`,
  {},
);

/** Records a run that failed before it knew its mailbox, as one finished row. Never runs twice. @returns its id */
export async function recordUnidentifiedRun(
  db: Queryable,
  trigger: Trigger,
  errorCode: string,
): Promise<number> {
  const { rows } = await db.query(INSERT_UNIDENTIFIED, [trigger, errorCode]);
  return rows[0]?.id ?? 0;
}

/** Removes a limited number of the oldest rows beyond their time. May run twice. @returns how many */
export async function pruneRuns(db: Queryable): Promise<number> {
  const { rowCount } = await db.query(PRUNE, [KEPT_DAYS, PRUNED_ROWS]);
  return rowCount;
}
