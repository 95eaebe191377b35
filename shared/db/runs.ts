/** Run rows: one per run, inserted at its start, so that a killed run leaves a row without an outcome. */
import type { Queryable } from './database.ts';
import { onlyRow } from './rows.ts';
import { statement } from './statement.ts';

export type Trigger = 'schedule' | 'push' | 'manual';

export function noCounts() {
  return {
    discovered: 0,
    stored: 0,
    gone: 0,
    ignored: 0,
    failed: 0,
    dead: 0,
    quotaUnits: 0,
    /** Calls that Gmail rate-limited. */
    rateLimited: 0,
    /** The longest time from Gmail's acceptance of a live email to its commit; null when the run stored none. */
    arrivalToStoredMaxMs: null as number | null,
  };
}

export type RunCounts = ReturnType<typeof noCounts>;

// $1 trigger text, $2 error code text
const INSERT_UNIDENTIFIED = statement(
  `
insert into ingest_runs (trigger, outcome, finished_at, duration_ms, error_code)
values ($1::text, 'failed', now(), 0, $2::text)
returning id`,
  { id: 'bigint' },
  { isRepeatable: false },
);

/** Records a run that failed before it knew its mailbox, as one finished row. Must not run twice. @returns its id */
export async function recordUnidentifiedRun(
  db: Queryable,
  trigger: Trigger,
  errorCode: string,
): Promise<number> {
  return (await onlyRow(db, INSERT_UNIDENTIFIED, [trigger, errorCode])).id;
}
