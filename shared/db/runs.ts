/** The record of runs: one row a run, written at its start, so that a killed run shows as one without outcome. */
import type { Queryable } from './database.ts';
import { PRIORITY } from './ledger.ts';

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
  /** The longest way of a live mail from Gmail's acceptance to its commit; null when none was stored. */
  arrivalToStoredMaxMs: number | null;
}

export interface RunEnd {
  readonly outcome: string;
  readonly durationMs: number;
  readonly counts: Readonly<RunCounts>;
  readonly errorCode: string | null;
  /** Where Gmail is to publish; null: nobody asks how long the watch lasts. */
  readonly watchTopic: string | null;
}

/** What a run leaves behind, for its log line. All but the cursors is null for a run that knew no mailbox. */
export interface RunEnded {
  readonly cursorBefore: string | null;
  readonly cursorAfter: string | null;
  /** Counted up to `COUNTED_ROWS`. */
  readonly deadTotal: number | null;
  /** Counted up to `COUNTED_ROWS`. */
  readonly pendingTotal: number | null;
  /** How long the oldest waiting live mail has been known; null when none waits. */
  readonly liveWaitingSeconds: number | null;
  /** Of the last proof; null before the first. */
  readonly missingTotal: number | null;
  /** Until Gmail ends the watch on the topic, 0 when there is none on it; null when nobody asks. */
  readonly watchRemainingSeconds: number | null;
}

/** A backlog of a million must not cost every run a scan: alerts ask whether something waits, not how much. */
const COUNTED_ROWS = 1_000;

/** Rows older than this are removed: the log keeps the lines longer if somebody wants them. */
const KEPT_DAYS = 90;

/**
 * At the most in one go. Gmail pushes once a second at the most, which is 86,400 runs a day; the scheduled runs of a day
 * tidy up 90 times.
 */
const PRUNED_ROWS = 2_000;

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

// One statement, because every idle poll pays for it: the end of the run, and what its log line says of the mailbox.
// The scans of the ledger are of partial indexes that hold nothing while all is well.
// $1 run id int, $2 outcome text, $3 duration ms int, $4 to $11 counts int, $12 error code text or null,
// $13 topic text or null, $14 rows to count at most int, $15 arrival to stored ms int or null
const END = `
with ended as (
  update ingest_runs r
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
      arrival_to_stored_max_ms = $15::integer,
      cursor_after = (select m.cursor_history_id from mailboxes m where m.id = r.mailbox_id)
  where id = $1::integer
  returning mailbox_id, cursor_before, cursor_after
)
select e.cursor_before, e.cursor_after, dead.total as dead_total, pending.total as pending_total,
       floor(extract(epoch from now() - pending.oldest_live_at))::integer as live_waiting_s,
       m.proved_missing_count as missing_total,
       case
         when $13::text is null then null
         when m.watch_topic is distinct from $13::text then 0
         else greatest(0, floor(extract(epoch from m.watch_expires_at - now())))
       end::integer as watch_remaining_s
from ended e
left join mailboxes m on m.id = e.mailbox_id
left join lateral (
  select count(*)::integer as total
  from (
    select 1
    from email_ledger
    where mailbox_id = m.id
      and state = 'dead'
    limit $14::integer
  ) counted
) dead on m.id is not null
left join lateral (
  select count(*)::integer as total,
         min(discovered_at) filter (where priority = ${PRIORITY.live}) as oldest_live_at
  from (
    select discovered_at, priority
    from email_ledger
    where mailbox_id = m.id
      and state = 'pending'
    -- As the index has it: live mail first.
    order by priority, last_attempt_at nulls first, id
    limit $14::integer
  ) counted
) pending on m.id is not null`;

interface EndedRow {
  cursor_before: string | null;
  cursor_after: string | null;
  dead_total: number | null;
  pending_total: number | null;
  live_waiting_s: number | null;
  missing_total: number | null;
  watch_remaining_s: number | null;
}

/** May run twice. @returns how the run leaves its mailbox, null when the run has no row */
export async function endRun(db: Queryable, runId: number, end: RunEnd): Promise<RunEnded | null> {
  const { rows } = await db.query<EndedRow>(END, [
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
    end.watchTopic,
    COUNTED_ROWS,
    storableMs(end.counts.arrivalToStoredMaxMs),
  ]);
  const row = rows[0];
  if (row === undefined) return null;
  return {
    cursorBefore: row.cursor_before,
    cursorAfter: row.cursor_after,
    deadTotal: row.dead_total,
    pendingTotal: row.pending_total,
    liveWaitingSeconds: row.live_waiting_s,
    missingTotal: row.missing_total,
    watchRemainingSeconds: row.watch_remaining_s,
  };
}

/** A mail that waited for weeks, in a column that holds 24 days. */
function storableMs(ms: number | null): number | null {
  return ms === null ? null : Math.min(Math.round(ms), 2_147_483_647);
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
