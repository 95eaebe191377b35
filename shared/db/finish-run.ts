/**
 * The end of a run, in one statement because every idle poll executes it. It releases the lease, updates the mailbox row, the
 * status row and the run row, and returns the totals for the log line.
 */
import type { Queryable } from './database.ts';
import { assertHeld, type Lease } from './lease.ts';
import { camelCase, type RowOfStatement } from './rows.ts';
import type { RunCounts } from './runs.ts';
import { statement } from './statement.ts';

export interface RunFailure {
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  /** The shortest wait until the next run: Gmail's Retry-After in milliseconds, 0 for none. */
  readonly minBackoffMs: number;
}

export interface FinishedRun {
  readonly runId: number;
  readonly outcome: string;
  readonly durationMs: number;
  readonly counts: Readonly<RunCounts>;
  /** Null when the run did not fail. */
  readonly failure: RunFailure | null;
  /** Gmail answered `history.list`. Without this and without a failure, the backoff and the last result stay as they are. */
  readonly hasHistoryAnswer: boolean;
  /** False: the lease is kept while a push has announced history that the run has not listed. */
  readonly releasesAnyway: boolean;
  /** After success: milliseconds to the next scheduled poll, 0 for the next tick, null to leave it as it is. */
  readonly nextPollMs: number | null;
  /** The topic of the push watch; null to skip `watchRemainingSeconds`. */
  readonly watchTopic: string | null;
  /** The mailbox was added. Its errors do not reach the status row, whose error is that of the first mailbox. */
  readonly isAdded: boolean;
}

// Invariant: a holder that has lost the lease changes only its own run row, and while a newer hint is stored, nothing changes.
// The counts of the ledger read partial indexes that are normally empty.
// $1 mailbox id, $2 token, $3 release anyway, $4 run id, $5 outcome, $6 duration ms, $7 counts as columns of ingest_runs,
// $8 error code or null, $9 error detail or null, $10 error of the status row or null, $11 next poll ms or null,
// $12 shortest backoff ms, $13 result: success, failure, no_answer or lease_lost, $14 topic of the watch or null, $15 the
// mailbox was added
// Always one row. has_newer_hint true: nothing was changed.
const FINISH = statement(
  `
with held as materialized (
  select m.id, not $3::boolean and has_newer_hint(m) as has_newer_hint
  from mailboxes m
  where m.id = $1::integer
    and m.lease_token = $2::uuid
  for no key update
),
lease_released as (
  update mailboxes m
  set lease_token = null,
      lease_holder = null,
      lease_expires_at = null,
      failure_count = case $13::text
        when 'success' then 0
        when 'failure' then m.failure_count + 1
        else m.failure_count
      end,
      next_poll_at = case
        -- 5 s, doubled up to 300 s, independent of the poll interval.
        when $13::text = 'failure' then now() + greatest(
          interval '1 millisecond' * $12::integer,
          least(interval '300 seconds', interval '5 seconds' * power(2, least(m.failure_count, 10))))
        when $13::text = 'lease_lost' or ($13::text = 'no_answer' and m.failure_count > 0) then m.next_poll_at
        when $11::integer > 0 then now() + $11::integer * interval '1 millisecond'
        -- A successful push run ends the backoff and does not move the next scheduled poll.
        when $11::integer is null and m.failure_count = 0 then m.next_poll_at
      end,
      last_run_ended_at = case when $13::text = 'lease_lost' then m.last_run_ended_at else now() end,
      last_success_at = case when $13::text = 'success' then now() else m.last_success_at end,
      last_error_code = case when $13::text in ('success', 'failure') then $8::text else m.last_error_code end,
      last_error = case when $13::text in ('success', 'failure') then $9::text else m.last_error end
  from held h
  where m.id = h.id
    and not h.has_newer_hint
  returning m.failure_count
),
status_updated as (
  update email_monitor_status
  set last_poll_at = now(),
      last_error_code = case when $15::boolean or $13::text = 'no_answer' then last_error_code else $8::text end,
      last_error = case when $15::boolean or $13::text = 'no_answer' then last_error else $10::text end,
      updated_at = now()
  where id = 1
    and $13::text <> 'lease_lost'
    -- Thousands of mailboxes would wait for each other at the one row.
    and (not $15::boolean or coalesce(last_poll_at <= now() - interval '30 seconds', true))
    and exists (select 1 from lease_released)
),
run_updated as (
  update ingest_runs r
  set outcome = $5::text,
      finished_at = now(),
      duration_ms = $6::integer,
      discovered_count = c.discovered_count,
      stored_count = c.stored_count,
      gone_count = c.gone_count,
      ignored_count = c.ignored_count,
      failed_count = c.failed_count,
      dead_count = c.dead_count,
      quota_units = c.quota_units,
      rate_limited_count = c.rate_limited_count,
      arrival_to_stored_max_ms = c.arrival_to_stored_max_ms,
      error_code = $8::text,
      cursor_after = m.cursor_history_id
  from mailboxes m, jsonb_populate_record(null::ingest_runs, $7::jsonb) c
  where r.id = $4::bigint
    and m.id = r.mailbox_id
    and not exists (select 1 from held where has_newer_hint)
  returning r.cursor_before, r.cursor_after
)
select coalesce((select has_newer_hint from held), false) as has_newer_hint,
       coalesce((select failure_count from lease_released where $13::text <> 'lease_lost'), 0) as failure_count,
       e.cursor_before, e.cursor_after,
       dead.total as dead_total, pending.total as pending_total, failing.total as failing_total,
       floor(extract(epoch from now() - live.oldest_at))::integer as live_waiting_seconds,
       (
         select c.missing_count
         from reconciliations c
         where c.mailbox_id = m.id
           and c.evaluated_at is not null
         order by c.evaluated_at desc
         limit 1
       ) as missing_total,
       case
         when $14::text is null then null
         when w.topic is distinct from $14::text then 0
         else greatest(0, floor(extract(epoch from w.expires_at - now())))::bigint
       end as watch_remaining_seconds,
       queues.oldest_seconds as queue_oldest_seconds, queues.dead_total as queue_dead_total,
       pg_notification_queue_usage() as notification_queue_usage
from mailboxes m
left join mailbox_watches w on w.mailbox_id = m.id
left join run_updated e on true
cross join lateral (
  select count(*)::integer as total
  from (
    select 1
    from email_ledger l
    where l.mailbox_id = m.id
      and l.state = 'dead'
      and l.given_up_at is null
    limit 1000
  ) counted
) dead
cross join lateral (
  select count(*)::integer as total
  from (
    select 1
    from email_ledger l
    where l.mailbox_id = m.id
      and l.state = 'pending'
    -- In the order of idx_email_ledger_pending, so that the planner uses it even with outdated statistics.
    order by l.priority, l.discovered_at
    limit 1000
  ) counted
) pending
cross join lateral (
  select count(*)::integer as total
  from (
    select 1
    from email_ledger l
    where l.mailbox_id = m.id
      and l.state = 'pending'
      and l.last_attempt_at is not null
      and l.error_code is not null
    limit 1000
  ) counted
) failing
-- In the order of idx_email_queue_age and idx_email_queue_dead, so that the time does not grow with the queue.
cross join lateral (
  select max(greatest(0, floor(extract(epoch from now() - oldest.queued_at))))::integer as oldest_seconds,
         coalesce(sum(dead_emails.total), 0)::integer as dead_total
  from consumers c
  left join lateral (
    select q.queued_at
    from email_queue q
    where q.consumer = c.name
      and q.state <> 'dead'
    order by q.queued_at
    limit 1
  ) oldest on true
  cross join lateral (
    select count(*) as total
    from (
      select 1
      from email_queue q
      where q.consumer = c.name
        and q.state = 'dead'
      order by q.email_id
      limit 1000
    ) counted
  ) dead_emails
) queues
left join lateral (
  select l.discovered_at as oldest_at
  from email_ledger l
  where l.mailbox_id = m.id
    and l.state = 'pending'
    and l.priority = 0
  order by l.discovered_at
  limit 1
) live on true
where m.id = $1::integer`,
  {
    has_newer_hint: 'boolean',
    /** Failed runs of the mailbox in a row, this one included; 0 when the lease was lost. */
    failure_count: 'integer',
    cursor_before: 'numeric?',
    cursor_after: 'numeric?',
    /** Dead letters that are not given up; counted up to 1,000. */
    dead_total: 'integer',
    /** Counted up to 1,000. */
    pending_total: 'integer',
    /** Pending messages with an error; counted up to 1,000. */
    failing_total: 'integer',
    /** Age of the oldest pending live message since its discovery; null when none is pending. */
    live_waiting_seconds: 'integer?',
    /** Missing messages of the last reconciliation; null before the first. */
    missing_total: 'integer?',
    /** Time until the watch on the topic expires, 0 when there is none; null without a topic. */
    watch_remaining_seconds: 'bigint?',
    /** Age of the oldest email that a consumer has not completed, dead ones excluded; 0 when none waits, null without a consumer. */
    queue_oldest_seconds: 'integer?',
    /** Dead emails of all consumers; counted up to 1,000 per consumer. */
    queue_dead_total: 'integer',
    /** The used share of PostgreSQL's queue of notifications, 0 to 1. When it is full, workers are not woken. */
    notification_queue_usage: 'double precision',
  },
);

/** The totals after a run, for its log line. */
export type RunEnd = Omit<RowOfStatement<typeof FINISH>, 'hasNewerHint'>;

/**
 * Ends the run and releases the lease, unless a push announced history that the run has not listed. May run twice: the second
 * time it finds no lease to release and does not change the mailbox.
 *
 * @returns `newer_hint` when nothing was changed
 * @throws {AppError} lease_lost when the mailbox row is gone
 */
export async function finishRun(
  db: Queryable,
  lease: Lease,
  run: FinishedRun,
): Promise<RunEnd | 'newer_hint'> {
  const { counts, failure } = run;
  const finished = await db.query(FINISH, [
    lease.mailboxId,
    lease.token,
    run.releasesAnyway,
    run.runId,
    run.outcome,
    Math.round(run.durationMs),
    JSON.stringify(columnsOf(counts)),
    failure?.code ?? null,
    failure?.detail ?? null,
    failure === null ? null : `${failure.title}: ${failure.detail}`,
    run.nextPollMs,
    failure?.minBackoffMs ?? 0,
    resultOf(run),
    run.watchTopic,
    run.isAdded,
  ]);
  const { hasNewerHint, ...end } = camelCase(assertHeld(finished));
  return hasNewerHint ? 'newer_hint' : end;
}

/** What the run says about the mailbox. */
function resultOf({ failure, hasHistoryAnswer }: FinishedRun) {
  if (failure !== null) return failure.code === 'lease_lost' ? 'lease_lost' : 'failure';
  return hasHistoryAnswer ? 'success' : 'no_answer';
}

const MAX_INTEGER = 2_147_483_647;

function columnsOf(counts: Readonly<RunCounts>): Record<string, number | null> {
  const latencyMs = counts.arrivalToStoredMaxMs;
  return {
    discovered_count: counts.discovered,
    stored_count: counts.stored,
    gone_count: counts.gone,
    ignored_count: counts.ignored,
    failed_count: counts.failed,
    dead_count: counts.dead,
    quota_units: counts.quotaUnits,
    rate_limited_count: counts.rateLimited,
    // The column holds 24 days; a message can wait longer.
    arrival_to_stored_max_ms: latencyMs === null ? null : Math.min(Math.round(latencyMs), MAX_INTEGER),
  };
}
