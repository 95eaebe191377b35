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
  refused: number;
}

export interface RunEnd {
  readonly outcome: string;
  readonly durationMs: number;
  readonly counts: Readonly<RunCounts>;
  readonly errorCode: string | null;
}

/** Rows older than this are removed: the log keeps the lines longer if somebody wants them. */
const KEPT_DAYS = 90;

/** @returns the id of the run */
export async function beginRun(db: Queryable, mailboxId: number | null, trigger: Trigger): Promise<number> {
  const { rows } = await db.query<{ id: number }>(
    `insert into ingest_runs (mailbox_id, trigger, cursor_before)
     values ($1::integer, $2::text, (select cursor_history_id from mailboxes where id = $1::integer))
     returning id`,
    [mailboxId, trigger],
  );
  return rows[0]?.id ?? 0;
}

/** @returns the cursor before and after the run */
export async function endRun(
  db: Queryable,
  runId: number,
  end: RunEnd,
): Promise<{ readonly cursorBefore: string | null; readonly cursorAfter: string | null }> {
  const { rows } = await db.query<{ cursor_before: string | null; cursor_after: string | null }>(
    `update ingest_runs r
     set outcome = $2::text,
         finished_at = now(),
         duration_ms = $3::integer,
         discovered_count = $4::integer,
         stored_count = $5::integer,
         gone_count = $6::integer,
         ignored_count = $7::integer,
         failed_count = $8::integer,
         dead_count = $9::integer,
         quota_units = $10::integer,
         refused_count = $11::integer,
         error_code = $12::text,
         cursor_after = (select m.cursor_history_id from mailboxes m where m.id = r.mailbox_id)
     where id = $1::integer
     returning cursor_before, cursor_after`,
    [
      runId,
      end.outcome,
      Math.round(end.durationMs),
      end.counts.discovered,
      end.counts.stored,
      end.counts.gone,
      end.counts.ignored,
      end.counts.failed,
      end.counts.dead,
      end.counts.quotaUnits,
      end.counts.refused,
      end.errorCode,
    ],
  );
  return { cursorBefore: rows[0]?.cursor_before ?? null, cursorAfter: rows[0]?.cursor_after ?? null };
}

/** Removes some of the oldest rows; called once a run, so that they never pile up. */
export async function pruneRuns(db: Queryable): Promise<number> {
  const { rowCount } = await db.query(
    `delete from ingest_runs
     where id in (
       select id
       from ingest_runs
       where started_at < now() - $1::integer * interval '1 day'
       order by started_at
       limit 100
     )`,
    [KEPT_DAYS],
  );
  return rowCount;
}
