/**
 * What `status` shows about mailboxes and their failing messages. Reads only.
 * Invariant: the time does not grow with the ledger. Counts come from ledger_changes, the rest from partial indexes.
 */
import type { Queryable } from './database.ts';
import { statement } from './statement.ts';

// Every mailbox, oldest first. All times are database times; `now` is the time of the read.
// history_unlisted_since: when Gmail reported a history id that no complete listing has reached; null when one has.
// unended_run_at: start of the first unfinished run after the last finished one; that run is active or was killed.
const MAILBOXES = statement(
  `
select m.id, m.email_address, m.credential_fingerprint, m.created_at, now() as now,
       m.cursor_history_id, m.failure_count, m.next_poll_at, m.last_run_at, m.last_success_at,
       m.last_error_code, m.last_error, m.pushed_at,
       case when m.lease_expires_at > now() then m.lease_holder end as lease_holder,
       j.listing_since,
       case
         when coalesce(m.listed_history_id, 0) < m.unconfirmed_history_id then m.unconfirmed_at
       end as history_unlisted_since,
       u.unended_run_at,
       coalesce(c.pending, 0) as pending_count,
       coalesce(c.stored, 0) as stored_count,
       coalesce(c.gone, 0) as gone_count,
       coalesce(c.ignored, 0) as ignored_count,
       coalesce(c.dead, 0) as dead_count,
       p.oldest_pending_at,
       w.topic as watch_topic,
       w.registered_at as watch_registered_at,
       w.expires_at as watch_expires_at,
       w.error_code as watch_error_code,
       w.error as watch_error,
       coalesce(w.late_run_count, 0) as late_run_count,
       w.late_since,
       coalesce(is_push_silent(w, m), false) as is_push_silent,
       o.unpublished_count, o.oldest_unpublished_at
from mailboxes m
left join mailbox_watches w on w.mailbox_id = m.id
left join lateral (
  select min(created_at) as listing_since
  from list_jobs
  where mailbox_id = m.id
    and finished_at is null
    and not_before <= now()
) j on true
-- The first condition skips mailboxes whose last run ended.
left join lateral (
  select r.started_at as unended_run_at
  from ingest_runs r
  where m.last_run_at > coalesce(m.last_run_ended_at, m.created_at)
    and r.started_at > coalesce(m.last_run_ended_at, m.created_at)
    and r.mailbox_id = m.id
    and r.outcome is null
  order by r.started_at
  limit 1
) u on true
left join lateral (
  select sum(change) filter (where state = 'pending') as pending,
         sum(change) filter (where state = 'stored') as stored,
         sum(change) filter (where state = 'gone') as gone,
         sum(change) filter (where state = 'ignored') as ignored,
         sum(change) filter (where state = 'dead') as dead
  from ledger_changes
  where mailbox_id = m.id
) c on true
-- The first row of each priority by idx_email_ledger_pending, so that a backlog is not read.
left join lateral (
  select min(first.discovered_at) as oldest_pending_at
  from (values (0::smallint), (1::smallint)) priorities (priority)
  cross join lateral (
    select discovered_at
    from email_ledger
    where mailbox_id = m.id
      and state = 'pending'
      and priority = priorities.priority
    order by discovered_at
    limit 1
  ) first
) p on true
-- The oldest rows, so that a long outage of Pub/Sub does not slow the response.
cross join lateral (
  select count(*)::integer as unpublished_count, min(created_at) as oldest_unpublished_at
  from (
    select created_at
    from email_outbox
    where mailbox_id = m.id
    order by id
    limit 1000
  ) oldest
) o
order by m.id`,
  {
    id: 'integer',
    email_address: 'text',
    credential_fingerprint: 'text?',
    created_at: 'timestamp with time zone',
    now: 'timestamp with time zone',
    cursor_history_id: 'numeric',
    failure_count: 'integer',
    next_poll_at: 'timestamp with time zone?',
    last_run_at: 'timestamp with time zone?',
    last_success_at: 'timestamp with time zone?',
    last_error_code: 'text?',
    last_error: 'text?',
    pushed_at: 'timestamp with time zone?',
    lease_holder: 'text?',
    listing_since: 'timestamp with time zone?',
    history_unlisted_since: 'timestamp with time zone?',
    unended_run_at: 'timestamp with time zone?',
    pending_count: 'bigint',
    stored_count: 'bigint',
    gone_count: 'bigint',
    ignored_count: 'bigint',
    dead_count: 'bigint',
    oldest_pending_at: 'timestamp with time zone?',
    watch_topic: 'text?',
    watch_registered_at: 'timestamp with time zone?',
    watch_expires_at: 'timestamp with time zone?',
    watch_error_code: 'text?',
    watch_error: 'text?',
    late_run_count: 'integer',
    late_since: 'timestamp with time zone?',
    is_push_silent: 'boolean',
    unpublished_count: 'integer',
    oldest_unpublished_at: 'timestamp with time zone?',
  },
);

export type MailboxRow = NonNullable<(typeof MAILBOXES)['row']>;

/** Returns every mailbox of the database; none before the first contact with Gmail. */
export async function readMailboxes(db: Queryable): Promise<MailboxRow[]> {
  return (await db.query(MAILBOXES)).rows;
}

// Pending messages whose last attempt failed, and dead ones that no operator has given up. One row per mailbox that has any.
// error_* belong to the newest failure.
const FAILING = statement(
  `
with failing as (
  select mailbox_id, state, error_code, error_detail, last_attempt_at, next_attempt_at, discovered_at
  from email_ledger
  where state = 'pending'
    and last_attempt_at is not null
    and error_code is not null
  union all
  select mailbox_id, state, error_code, error_detail, last_attempt_at, next_attempt_at, discovered_at
  from email_ledger
  where state = 'dead'
    and given_up_at is null
)
select mailbox_id,
       count(*) as failing_count,
       count(*) filter (where state = 'dead') as dead_count,
       (array_agg(error_code order by last_attempt_at desc nulls last))[1] as error_code,
       (array_agg(error_detail order by last_attempt_at desc nulls last))[1] as error_detail,
       min(next_attempt_at) as next_attempt_at,
       min(discovered_at) as oldest_since
from failing
group by mailbox_id`,
  {
    mailbox_id: 'integer',
    failing_count: 'bigint',
    dead_count: 'bigint',
    error_code: 'text?',
    error_detail: 'text?',
    next_attempt_at: 'timestamp with time zone?',
    oldest_since: 'timestamp with time zone',
  },
);

export type FailingRow = NonNullable<(typeof FAILING)['row']>;

/** Returns messages that cannot be fetched or stored, by mailbox id; no entry when none fails. */
export async function readFailingMessages(db: Queryable): Promise<Map<number, FailingRow>> {
  const { rows } = await db.query(FAILING);
  return new Map(rows.map((row) => [row.mailbox_id, row]));
}
