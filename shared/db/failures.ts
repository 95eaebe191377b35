/**
 * Failed attempts: when a message is retried, which failures are charged to it, and when it is dead. A failure of the system
 * is never charged: `shared/ingest/outage-detector.ts` decides which failures count.
 */
import type { Queryable } from './database.ts';
import type { Lease } from './lease.ts';
import { camelCase, type RowOfStatement } from './rows.ts';
import { statement } from './statement.ts';

/** With the waits below, the eighth failure comes five to six hours after the first. */
export const MAX_ATTEMPTS = 8;
/** Charged ends of a process: see SWEEP. */
const MAX_CRASHES = 3;
/** A dead message is retried once per day during this time. */
const DEAD_RETRY_DAYS = 14;

// After a charged failure the wait is 20 s, and triples each time up to 4 h. While no failure is charged, the wait is the age
// of the message, from 20 s to 5 min. A dead message waits for a day. The random factor spreads the attempts.
// $1 mailbox id, $2 token, $3 id, $4 code, $5 detail, $6 was claimed early, $7 factor 0.75 to 1, $8 days to retry dead messages
const RECORD = statement(`
update email_ledger
set claim_token = null,
    is_crash_suspect = false,
    crash_count = 0,
    error_code = $4::text,
    error_detail = $5::text,
    last_attempt_at = now(),
    next_attempt_at = case
      when $6::boolean then next_attempt_at
      when state = 'dead' and (given_up_at is not null or resolved_at < now() - $8::integer * interval '1 day')
        then null
      when state = 'dead' then now() + $7::float8 * interval '1 day'
      when attempt_count > 0
        then now() + $7::float8 * least(interval '4 hours', interval '20 seconds' * power(3, attempt_count - 1))
      else now() + $7::float8 * least(
        interval '5 minutes',
        greatest(interval '20 seconds', now() - discovered_at))
    end
where mailbox_id = $1::integer
  and gmail_message_id = $3::text
  and claim_token = $2::uuid
  and state in ('pending', 'dead')`);

/** Ends a claim whose attempt failed. Charges nothing. May run twice. */
export async function recordFailure(
  db: Queryable,
  { mailboxId, token }: Lease,
  failure: {
    readonly gmailMessageId: string;
    readonly code: string;
    readonly detail: string;
    /** The message was claimed before its next attempt was due, which then stays as planned. */
    readonly isEarly: boolean;
    /** 0.75 to 1, random. */
    readonly jitter: number;
  },
): Promise<void> {
  const { code, detail, gmailMessageId: id, isEarly, jitter } = failure;
  await db.query(RECORD, [mailboxId, token, id, code, detail, isEarly, jitter, DEAD_RETRY_DAYS]);
}

// The expected count makes the statement idempotent.
// $1 mailbox id, $2 token, $3 ids, $4 attempt counts before, $5 attempt limit, $6 factor 0.75 to 1
const CHARGE = statement(
  `
with charged as (
  update email_ledger l
  set attempt_count = f.attempt_count + 1,
      state = case when f.attempt_count + 1 >= $5::integer then 'dead' else l.state end,
      resolved_at = case when f.attempt_count + 1 >= $5::integer then now() else l.resolved_at end,
      next_attempt_at = case
        when f.attempt_count + 1 >= $5::integer then now() + $6::float8 * interval '1 day'
        else l.last_attempt_at
          + $6::float8 * least(interval '4 hours', interval '20 seconds' * power(3, f.attempt_count))
      end
  from unnest($3::text[], $4::integer[]) as f (gmail_message_id, attempt_count)
  where l.mailbox_id = $1::integer
    and l.gmail_message_id = f.gmail_message_id
    and l.attempt_count = f.attempt_count
    and l.state = 'pending'
    and l.claim_token is null
    and holds_lease($1::integer, $2::uuid)
  returning l.gmail_message_id, l.attempt_count, l.error_code, l.state
)
select gmail_message_id, attempt_count, coalesce(error_code, 'internal') as error_code
from charged
where state = 'dead'`,
  { gmail_message_id: 'text', attempt_count: 'integer', error_code: 'text' },
);

export type DeadLetter = RowOfStatement<typeof CHARGE>;

/**
 * Charges failures of this run to their messages. May run twice.
 *
 * @param attemptCounts by Gmail message id, as they were when the message was claimed
 * @returns the messages that this call made dead
 */
export async function chargeFailures(
  db: Queryable,
  { mailboxId, token }: Lease,
  attemptCounts: ReadonlyMap<string, number>,
  jitter: number,
): Promise<DeadLetter[]> {
  if (attemptCounts.size === 0) return [];
  const ids = [...attemptCounts.keys()];
  const counts = [...attemptCounts.values()];
  const { rows } = await db.query(CHARGE, [mailboxId, token, ids, counts, MAX_ATTEMPTS, jitter]);
  return rows.map(camelCase);
}

// $1 mailbox id, $2 token
const WAKE = statement(`
update email_ledger
set next_attempt_at = now()
where mailbox_id = $1::integer
  and state = 'pending'
  and last_attempt_at is not null
  and next_attempt_at > now()
  and holds_lease($1::integer, $2::uuid)`);

/**
 * Makes all waiting messages due. Called when the longest waiting one was stored, because the cause may be gone. May run twice.
 *
 * @returns how many
 */
export async function wakeWaiting(db: Queryable, lease: Lease): Promise<number> {
  const { rowCount } = await db.query(WAKE, [lease.mailboxId, lease.token]);
  return rowCount;
}

// A crash is charged to a crash suspect, of which a process fetches one at a time, each alone in its mailbox, and to the one open claim of
// the only mailbox. For other open claims the cause is unknown, and their messages become suspects.
// $1 mailbox id, $2 token, $3 crash limit, $4 factor 0.75 to 1, $5 days to retry dead messages
const SWEEP = statement(
  `
with open as materialized (
  select id, state,
         is_crash_suspect
           or count(*) over (partition by claim_token) = 1
             and not exists (select 1 from mailboxes where id <> $1::integer) as is_charged
  from email_ledger
  where mailbox_id = $1::integer
    and claim_token is not null
    and claim_token <> $2::uuid
),
swept as (
  update email_ledger l
  set claim_token = null,
      is_crash_suspect = true,
      crash_count = l.crash_count + o.is_charged::integer,
      state = case when l.crash_count + o.is_charged::integer >= $3::integer then 'dead' else l.state end,
      resolved_at = case
        when l.crash_count + o.is_charged::integer >= $3::integer then coalesce(l.resolved_at, now())
        else l.resolved_at
      end,
      error_code = case when o.is_charged then 'killed_process' else l.error_code end,
      error_detail = case when o.is_charged then 'The process ended during the attempt.' else l.error_detail end,
      last_attempt_at = case when o.is_charged then now() else l.last_attempt_at end,
      next_attempt_at = case
        when l.state = 'dead' and (l.given_up_at is not null or l.resolved_at < now() - $5::integer * interval '1 day')
          then null
        when l.crash_count + o.is_charged::integer >= $3::integer then now() + $4::float8 * interval '1 day'
        else now()
      end
  from open o
  where l.id = o.id
    and l.state in ('pending', 'dead')
    and holds_lease($1::integer, $2::uuid)
  returning l.gmail_message_id, l.crash_count, l.error_code, l.state, o.state as state_before
)
select gmail_message_id, crash_count as attempt_count, coalesce(error_code, 'killed_process') as error_code
from swept
where state = 'dead'
  and state_before = 'pending'`,
  { gmail_message_id: 'text', attempt_count: 'integer', error_code: 'text' },
  { isRepeatable: false },
);

/**
 * Ends the claims that earlier runs left open because their process ended or lost the lease. Their messages are fetched alone
 * from now on.
 *
 * @returns the messages that this call made dead
 */
export async function sweepOpenClaims(
  db: Queryable,
  { mailboxId, token }: Lease,
  jitter: number,
): Promise<DeadLetter[]> {
  const { rows } = await db.query(SWEEP, [mailboxId, token, MAX_CRASHES, jitter, DEAD_RETRY_DAYS]);
  return rows.map(camelCase);
}
