/**
 * What `status` derives the states of all mailboxes from, in one read for 10,000 mailboxes. `mailbox-details.ts` reads the rest
 * of those that are shown. Reads only.
 * Invariant: the time does not grow with the ledger. Counts come from ledger_changes, the rest from partial indexes.
 */
import type { Queryable } from '../../db/database.ts';
import { statement } from '../../db/statement.ts';

// Every mailbox of the database, and every added one that Gmail has not answered for yet, whose id is null. Times are Unix
// times in milliseconds, because the driver parses dates slowly.
// $1 true: the credentials of the first mailbox are those that the status row names; $2 otherwise their fingerprint, or null
// is_first: it belongs to these credentials.
// resumed_at: when the last pause of the mailbox ended.
// history_unlisted_since: when an answer of Gmail or a push reported a history id that no complete listing has reached, or the
// last success, when the last run had no answer of Gmail; null when the history is listed.
// unended_run_at: start of the first unfinished run after the last finished one; that run is active or was killed.
// unpublished_since: of the oldest 1,000 rows of the outbox.
const MAILBOXES = statement(
  `
with first_mailbox as (
  select case when $1::boolean then credential_fingerprint else $2::text end as fingerprint
  from email_monitor_status
  where id = 1
),
counts as (
  select mailbox_id,
         sum(change) filter (where state = 'pending') as pending,
         sum(change) filter (where state = 'stored') as stored,
         sum(change) filter (where state = 'gone') as gone,
         sum(change) filter (where state = 'ignored') as ignored,
         sum(change) filter (where state = 'dead') as dead
  from ledger_changes
  group by mailbox_id
),
listings as (
  select mailbox_id, min(created_at) as since
  from list_jobs
  where finished_at is null
    -- A rejected listing waits for its retry without having been listed.
    and (not_before <= now() or error_code is not null)
  group by mailbox_id
),
-- The oldest rows, so that a long outage of Pub/Sub does not slow the response.
unpublished as (
  select mailbox_id, min(created_at) as since, count(*) as count
  from (
    select mailbox_id, created_at
    from email_outbox
    order by id
    limit 1000
  ) oldest
  group by mailbox_id
),
-- One scan of the partial index, which has few rows.
unended as (
  select r.mailbox_id, min(r.started_at) as unended_run_at
  from ingest_runs r
  join mailboxes m on m.id = r.mailbox_id
  where r.outcome is null
    and r.started_at > coalesce(m.last_run_ended_at, m.created_at)
  group by r.mailbox_id
)
select m.id,
       coalesce(m.email_address, s.email_address) as email_address,
       coalesce(m.credential_fingerprint = f.fingerprint, false) as is_first,
       s.access,
       coalesce(s.is_paused, false) as is_paused,
       date_part('epoch', coalesce(m.created_at, s.added_at)) * 1000 as created_at,
       coalesce(m.failure_count, s.failure_count) as failure_count,
       date_part('epoch', case when m.id is null then s.next_attempt_at else m.next_poll_at end) * 1000 as next_poll_at,
       date_part('epoch', m.last_run_at) * 1000 as last_run_at,
       date_part('epoch', m.last_success_at) * 1000 as last_success_at,
       case when m.id is null then s.last_error_code else m.last_error_code end as last_error_code,
       case when m.id is null then s.last_error else m.last_error end as last_error,
       date_part('epoch', s.resumed_at) * 1000 as resumed_at,
       date_part('epoch', m.pushed_at) * 1000 as pushed_at,
       date_part('epoch', j.since) * 1000 as listing_since,
       date_part('epoch', least(
         case when coalesce(m.listed_history_id, 0) < m.unconfirmed_history_id then m.unconfirmed_at end,
         case when coalesce(m.listed_history_id, 0) < m.hint_history_id then m.hint_at end,
         case when m.last_run_ended_at > m.last_success_at then m.last_success_at end
       )) * 1000 as history_unlisted_since,
       date_part('epoch', u.unended_run_at) * 1000 as unended_run_at,
       coalesce(c.pending, 0) as pending_count,
       coalesce(c.stored, 0) as stored_count,
       coalesce(c.gone, 0) as gone_count,
       coalesce(c.ignored, 0) as ignored_count,
       coalesce(c.dead, 0) as dead_count,
       w.topic as watch_topic,
       date_part('epoch', w.registered_at) * 1000 as watch_registered_at,
       date_part('epoch', w.expires_at) * 1000 as watch_expires_at,
       w.error_code as watch_error_code,
       w.error as watch_error,
       coalesce(w.late_run_count, 0) as late_run_count,
       date_part('epoch', w.late_since) * 1000 as late_since,
       coalesce(is_push_silent(w, m), false) as is_push_silent,
       coalesce(o.count, 0) as unpublished_count,
       date_part('epoch', o.since) * 1000 as unpublished_since,
       date_part('epoch', r.evaluated_at) * 1000 as reconciled_at,
       r.missing_count
from mailboxes m
full join mailbox_settings s on s.mailbox_id = m.id
cross join first_mailbox f
left join mailbox_watches w on w.mailbox_id = m.id
left join counts c on c.mailbox_id = m.id
left join listings j on j.mailbox_id = m.id
left join unpublished o on o.mailbox_id = m.id
left join unended u on u.mailbox_id = m.id
left join lateral (
  select evaluated_at, missing_count
  from reconciliations
  where mailbox_id = m.id
    and evaluated_at is not null
    and missing_count is not null
  order by evaluated_at desc
  limit 1
) r on true
order by m.id, s.id`,
  {
    id: 'integer?',
    email_address: 'text',
    is_first: 'boolean',
    access: 'text?',
    is_paused: 'boolean',
    created_at: 'double precision',
    failure_count: 'integer',
    next_poll_at: 'double precision?',
    last_run_at: 'double precision?',
    last_success_at: 'double precision?',
    last_error_code: 'text?',
    last_error: 'text?',
    resumed_at: 'double precision?',
    pushed_at: 'double precision?',
    listing_since: 'double precision?',
    history_unlisted_since: 'double precision?',
    unended_run_at: 'double precision?',
    pending_count: 'bigint',
    stored_count: 'bigint',
    gone_count: 'bigint',
    ignored_count: 'bigint',
    dead_count: 'bigint',
    watch_topic: 'text?',
    watch_registered_at: 'double precision?',
    watch_expires_at: 'double precision?',
    watch_error_code: 'text?',
    watch_error: 'text?',
    late_run_count: 'integer',
    late_since: 'double precision?',
    is_push_silent: 'boolean',
    unpublished_count: 'bigint',
    unpublished_since: 'double precision?',
    reconciled_at: 'double precision?',
    missing_count: 'integer?',
  },
);

type Row = NonNullable<(typeof MAILBOXES)['row']>;

const TIMES = [
  'created_at',
  'next_poll_at',
  'last_run_at',
  'last_success_at',
  'resumed_at',
  'pushed_at',
  'listing_since',
  'history_unlisted_since',
  'unended_run_at',
  'watch_registered_at',
  'watch_expires_at',
  'late_since',
  'unpublished_since',
  'reconciled_at',
] as const satisfies (keyof Row)[];

type TimeName = (typeof TIMES)[number];

/** All times are database times. */
export type MailboxRow = {
  readonly [Name in keyof Row]: Name extends TimeName
    ? Date | (null extends Row[Name] ? null : never)
    : Row[Name];
};

/**
 * Returns every mailbox of the database, oldest first, then the added ones that Gmail has not answered for yet.
 *
 * @param fingerprint of the credentials of the first mailbox; null: there are none; `recorded`: the status row has it
 */
export async function readMailboxes(
  db: Queryable,
  fingerprint: string | null | 'recorded' = null,
): Promise<MailboxRow[]> {
  const isRecorded = fingerprint === 'recorded';
  const { rows } = await db.query(MAILBOXES, [isRecorded, isRecorded ? null : fingerprint]);
  // In place, because copies of 10,000 rows take longer than the rest.
  for (const row of rows as Record<TimeName, number | Date | null>[])
    for (const name of TIMES) if (row[name] !== null) row[name] = new Date(row[name]);
  return rows as unknown as MailboxRow[];
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
