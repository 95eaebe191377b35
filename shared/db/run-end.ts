/**
 * The end of a run, in one statement, because every idle poll pays for it: the lease goes back, the mailbox's failures
 * and next poll, the status row and the run row say how it went, and the run's log line is told what is left.
 */
import { AppError } from '../errors.ts';
import type { Queryable } from './database.ts';
import { type Fence, isHinted, type Seen } from './lease.ts';
import { PRIORITY } from './ledger.ts';
import { HAS_LEDGER_CHANGES } from './ledger-counts.ts';
import { HAS_OLD_RUNS, type RunCounts } from './runs.ts';
import { prepared } from './statement.ts';

export interface RunFailure {
  readonly code: string;
  /** For the mailbox, and with a title before it for the status row. */
  readonly detail: string;
  readonly title: string;
}

export interface RunEnd {
  readonly runId: number;
  readonly outcome: string;
  readonly durationMs: number;
  readonly counts: Readonly<RunCounts>;
  /** Null: it went well. */
  readonly failure: RunFailure | null;
  /** How far the history was seen; null gives the lease back whatever a push has announced. */
  readonly seen: Seen | null;
  /** After success: to the next scheduled poll, 0 for none, null to leave it as it is. */
  readonly waitMs: number | null;
  /** After failure: the wait to the next scheduled poll, doubled each time, up to the cap. */
  readonly backoff: { readonly intervalSeconds: number; readonly capSeconds: number };
  /** Where Gmail is to publish; null: nobody asks how long the watch lasts. */
  readonly watchTopic: string | null;
}

/** What a run leaves behind, for its log line. */
export interface RunEnded {
  /** Failures of the mailbox in a row, this one counted; 0 when the lease was somebody else's. */
  readonly failureCount: number;
  readonly cursorBefore: string | null;
  readonly cursorAfter: string | null;
  /** Counted up to `COUNTED_ROWS`. */
  readonly deadTotal: number;
  /** Counted up to `COUNTED_ROWS`. */
  readonly pendingTotal: number;
  /** How long the oldest waiting live mail has been known; null when none waits. */
  readonly liveWaitingSeconds: number | null;
  /** Of the last proof; null before the first. */
  readonly missingTotal: number | null;
  /** Until Gmail ends the watch on the topic, 0 when there is none on it; null when nobody asks. */
  readonly watchRemainingSeconds: number | null;
  /** For `pruneRuns`. */
  readonly hasOldRuns: boolean;
  /** For `addUpLedgerChanges`. */
  readonly hasLedgerChanges: boolean;
}

/** A backlog of a million must not cost every run a scan: alerts ask whether something waits, not how much. */
const COUNTED_ROWS = 1_000;

// What must stay true: a holder that has lost the lease changes its own run row and nothing else, and while a push stands
// announced nothing is changed at all. The scans of the ledger are of partial indexes that hold nothing while all is well.
// $1 mailbox id int, $2 lease token uuid, $3 seen end numeric or null, $4 seen record numeric or null,
// $5 run id int, $6 outcome text, $7 duration ms int, $8 to $15 counts int, $16 arrival to stored ms int or null,
// $17 error code text or null, $18 error detail text or null, $19 error for the status row text or null,
// $20 wait ms int or null, $21 interval seconds int, $22 cap seconds int, $23 topic text or null, $24 is to be told bool
// One row always: is_hinted true when nothing was changed.
const END = prepared(`
with held as (
  select id, ${isHinted('m', '$3', '$4')} as is_hinted
  from mailboxes m
  where id = $1::integer
    and lease_token = $2::uuid
  for update
),
released as (
  update mailboxes m
  set lease_token = null,
      lease_holder = null,
      lease_expires_at = null,
      failure_count = case
        when not $24::boolean then m.failure_count
        when $17::text is null then 0
        else m.failure_count + 1
      end,
      next_poll_at = case
        when not $24::boolean then m.next_poll_at
        when $17::text is not null then now() + interval '1 second'
          * least($21::integer * power(2, least(m.failure_count + 1, 20)), greatest($22::integer, $21::integer))
        when $20::integer > 0 then now() + $20::integer * interval '1 millisecond'
        -- A push in between forgives the failures; it does not put the poll off.
        when $20::integer is null and m.failure_count = 0 then m.next_poll_at
      end,
      last_success_at = case when $24::boolean and $17::text is null then now() else m.last_success_at end,
      last_error_code = case when $24::boolean then $17::text else m.last_error_code end,
      last_error = case when $24::boolean then $18::text else m.last_error end,
      last_error_at = case
        when not $24::boolean then m.last_error_at
        when $17::text is not null then now()
      end
  from held h
  where m.id = h.id
    and not h.is_hinted
  returning m.failure_count
),
told as (
  update email_monitor_status
  set last_poll_at = now(),
      last_error_code = $17::text,
      last_error = $19::text,
      updated_at = now()
  where id = 1
    and $24::boolean
    and exists (select 1 from released)
),
ended as (
  update ingest_runs r
  set outcome = $6::text,
      finished_at = now(),
      duration_ms = $7::integer,
      discovered_count = $8::integer,
      stored_count = $9::integer,
      gone_count = $10::integer,
      ignored_count = $11::integer,
      failed_count = $12::integer,
      dead_count = $13::integer,
      quota_units = $14::integer,
      refused_count = $15::integer,
      arrival_to_stored_max_ms = $16::integer,
      error_code = $17::text,
      cursor_after = m.cursor_history_id
  from mailboxes m
  where r.id = $5::integer
    and m.id = r.mailbox_id
    and not exists (select 1 from held where is_hinted)
  returning r.cursor_before, r.cursor_after
)
select coalesce((select is_hinted from held), false) as is_hinted,
       coalesce((select case when $24::boolean then failure_count end from released), 0) as failure_count,
       e.cursor_before, e.cursor_after,
       dead.total as dead_total, pending.total as pending_total,
       floor(extract(epoch from now() - pending.oldest_live_at))::integer as live_waiting_s,
       m.proved_missing_count as missing_total,
       case
         when $23::text is null then null
         when m.watch_topic is distinct from $23::text then 0
         else greatest(0, floor(extract(epoch from m.watch_expires_at - now())))
       end::integer as watch_remaining_s,
       ${HAS_OLD_RUNS} as has_old_runs, ${HAS_LEDGER_CHANGES} as has_ledger_changes
from mailboxes m
left join ended e on true
cross join lateral (
  select count(*)::integer as total
  from (
    select 1
    from email_ledger
    where mailbox_id = m.id
      and state = 'dead'
    limit ${COUNTED_ROWS}
  ) counted
) dead
cross join lateral (
  select count(*)::integer as total,
         min(discovered_at) filter (where priority = ${PRIORITY.live}) as oldest_live_at
  from (
    select discovered_at, priority
    from email_ledger
    where mailbox_id = m.id
      and state = 'pending'
    -- As the index has it: live mail first.
    order by priority, last_attempt_at nulls first, id
    limit ${COUNTED_ROWS}
  ) counted
) pending
where m.id = $1::integer`);

interface EndRow {
  is_hinted: boolean;
  failure_count: number;
  cursor_before: string | null;
  cursor_after: string | null;
  dead_total: number;
  pending_total: number;
  live_waiting_s: number | null;
  missing_total: number | null;
  watch_remaining_s: number | null;
  has_old_runs: boolean;
  has_ledger_changes: boolean;
}

/**
 * Ends the run and gives the lease back, unless a push announced something that the holder has not looked for yet. May
 * run twice: the second finds no lease to give back, and changes nothing more of the mailbox.
 *
 * @returns `look_again` when nothing was changed
 */
export async function endRun(db: Queryable, fence: Fence, end: RunEnd): Promise<RunEnded | 'look_again'> {
  const { counts, failure } = end;
  const { rows } = await db.query<EndRow>(END, [
    fence.mailboxId,
    fence.token,
    end.seen?.endHistoryId ?? null,
    end.seen?.shownHistoryId ?? null,
    end.runId,
    end.outcome,
    Math.round(end.durationMs),
    counts.discovered,
    counts.stored,
    counts.gone,
    counts.ignored,
    counts.failed,
    counts.dead,
    counts.quotaUnits,
    counts.refused,
    storableMs(counts.arrivalToStoredMaxMs),
    failure?.code ?? null,
    failure?.detail ?? null,
    failure === null ? null : `${failure.title}: ${failure.detail}`,
    end.waitMs,
    end.backoff.intervalSeconds,
    end.backoff.capSeconds,
    end.watchTopic,
    // Whoever lost the lease does not speak for the mailbox: another instance works on it, and will say how it went.
    failure?.code !== 'lease_lost',
  ]);
  const row = rows[0];
  if (row === undefined) throw new AppError('internal', `The mailbox ${fence.mailboxId} has no row.`);
  if (row.is_hinted) return 'look_again';
  return {
    failureCount: row.failure_count,
    cursorBefore: row.cursor_before,
    cursorAfter: row.cursor_after,
    deadTotal: row.dead_total,
    pendingTotal: row.pending_total,
    liveWaitingSeconds: row.live_waiting_s,
    missingTotal: row.missing_total,
    watchRemainingSeconds: row.watch_remaining_s,
    hasOldRuns: row.has_old_runs,
    hasLedgerChanges: row.has_ledger_changes,
  };
}

/** A mail that waited for weeks, in a column that holds 24 days. */
function storableMs(ms: number | null): number | null {
  return ms === null ? null : Math.min(Math.round(ms), 2_147_483_647);
}
