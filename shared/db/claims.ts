/**
 * Claims on ledger rows: a run claims the messages that it is about to fetch, and ends each claim once. A claim charges
 * nothing; only a failure of the message itself is charged (`failures.ts`).
 * Invariant: every claim carries the lease token, so that a later run can find the claims that an earlier one left open.
 */
import type { Queryable } from './database.ts';
import type { Lease } from './lease.ts';
import type { LedgerSource, Priority } from './ledger.ts';
import { type CamelCase, camelCase } from './rows.ts';
import { type RowOf, statement } from './statement.ts';

const CLAIM_COLUMNS = {
  gmail_message_id: 'text',
  priority: 'smallint',
  source: 'text',
  labels_unknown: 'boolean',
  /** The label of the listing that found it; null when no listing by label did. */
  listed_label_id: 'text?',
  /** Failures charged so far. */
  attempt_count: 'integer',
  discovered_at: 'timestamp with time zone',
  /** A history record announced its arrival. */
  has_history_record: 'boolean',
  /** Claimed before its next attempt was due, or by `poll-now`: a failure then charges nothing and keeps the next attempt. */
  is_early: 'boolean',
  /** An earlier attempt did not succeed. */
  is_retry: 'boolean',
} as const;

export interface Claim extends CamelCase<RowOf<typeof CLAIM_COLUMNS>> {
  readonly priority: Priority;
  readonly source: LedgerSource;
  /** The failed message that the run retries first, due or not. */
  readonly isProbe: boolean;
}

// Half newest first, half in random order. Neither an import of old mail, which arrives as live history, nor a series of
// failing messages may delay a new order. Each random id below the newest half selects the next older message, so an old
// message is claimed soon when few others are left.
// $1 mailbox id, $2 token, $3 priority, $4 number of newest, $5 number in random order
const CLAIM_UNTRIED = statement(
  `
with newest as materialized (
  select id
  from email_ledger
  where mailbox_id = $1::integer
    and priority = $3::smallint
    and state = 'pending'
    and last_attempt_at is null
    and claim_token is null
    and not is_crash_suspect
  order by id desc
  limit $4::integer
),
ends as materialized (
  select (
           select l.id
           from email_ledger l
           where l.mailbox_id = $1::integer
             and l.priority = $3::smallint
             and l.state = 'pending'
             and l.last_attempt_at is null
             and l.claim_token is null
             and not l.is_crash_suspect
           order by l.id
           limit 1
         ) as lowest,
         (select min(id) - 1 from newest) as highest
),
positions as materialized (
  select e.lowest + floor(random() * (e.highest - e.lowest + 1))::bigint as id
  from ends e, generate_series(1, $5::integer)
  where e.lowest <= e.highest
),
chosen as (
  select id from newest
  union
  select p.id
  from positions r
  cross join lateral (
    select l.id
    from email_ledger l
    where l.mailbox_id = $1::integer
      and l.priority = $3::smallint
      and l.state = 'pending'
      and l.last_attempt_at is null
      and l.claim_token is null
      and not l.is_crash_suspect
      and l.id <= r.id
    order by l.id desc
    limit 1
  ) p
)
update email_ledger l
set claim_token = $2::uuid
from chosen c
where l.id = c.id
  and l.state = 'pending'
  and l.claim_token is null
  and holds_lease($1::integer, $2::uuid)
returning l.gmail_message_id, l.priority, l.source, l.labels_unknown, l.listed_label_id, l.attempt_count, l.discovered_at,
          l.history_id is not null as has_history_record, false as is_early, false as is_retry`,
  CLAIM_COLUMNS,
  { isRepeatable: false },
);

/**
 * Claims messages that were never tried.
 *
 * @returns `claims` can be fewer than `limit` although more are left. `isLast`: the newest half was not full, so none is left.
 */
export async function claimUntried(
  db: Queryable,
  { mailboxId, token }: Lease,
  { priority, limit }: { readonly priority: Priority; readonly limit: number },
): Promise<{ readonly claims: readonly Claim[]; readonly isLast: boolean }> {
  const newest = Math.ceil(limit / 2);
  const { rows } = await db.query(CLAIM_UNTRIED, [mailboxId, token, priority, newest, limit - newest]);
  return { claims: rows.map(toClaim), isLast: rows.length < newest };
}

// $1 mailbox id, $2 token, $3 limit, $4 run start, $5 include messages whose next attempt is not due, each once per run
const CLAIM_RETRIES = statement(
  `
with chosen as materialized (
  select id, next_attempt_at > now() as is_early
  from email_ledger
  where mailbox_id = $1::integer
    and state in ('pending', 'dead')
    and last_attempt_at is not null
    and claim_token is null
    and not is_crash_suspect
    and given_up_at is null
    and (not $5::boolean or last_attempt_at < $4::timestamptz)
    and (next_attempt_at <= now() or ($5::boolean and state = 'pending'))
  order by priority, last_attempt_at, id
  limit $3::integer
)
update email_ledger l
set claim_token = $2::uuid
from chosen c
where l.id = c.id
  and l.state in ('pending', 'dead')
  and l.claim_token is null
  and holds_lease($1::integer, $2::uuid)
returning l.gmail_message_id, l.priority, l.source, l.labels_unknown, l.listed_label_id, l.attempt_count, l.discovered_at,
          l.history_id is not null as has_history_record, coalesce(c.is_early, false) as is_early, true as is_retry`,
  CLAIM_COLUMNS,
  { isRepeatable: false },
);

/** Claims messages that failed before: live mail first, then the longest waiting. */
export async function claimRetries(
  db: Queryable,
  { mailboxId, token }: Lease,
  query: { readonly limit: number; readonly runStartedAt: Date; readonly includesWaiting: boolean },
): Promise<Claim[]> {
  const { includesWaiting, limit, runStartedAt } = query;
  const { rows } = await db.query(CLAIM_RETRIES, [mailboxId, token, limit, runStartedAt, includesWaiting]);
  return rows.map(toClaim);
}

// $1 mailbox id, $2 token, $3 highest priority number
const CLAIM_SUSPECT = statement(
  `
with chosen as materialized (
  select id
  from email_ledger
  where mailbox_id = $1::integer
    and is_crash_suspect
    and claim_token is null
    and state in ('pending', 'dead')
    and given_up_at is null
    and next_attempt_at <= now()
    and priority <= $3::smallint
  order by priority, crash_count, id
  limit 1
)
update email_ledger l
set claim_token = $2::uuid
from chosen c
where l.id = c.id
  and l.claim_token is null
  and holds_lease($1::integer, $2::uuid)
returning l.gmail_message_id, l.priority, l.source, l.labels_unknown, l.listed_label_id, l.attempt_count, l.discovered_at,
          l.history_id is not null as has_history_record, false as is_early, true as is_retry`,
  CLAIM_COLUMNS,
  { isRepeatable: false },
);

/** Claims at most one message that may have crashed its process. The caller must fetch it alone. */
export async function claimSuspect(db: Queryable, lease: Lease, priority: Priority): Promise<Claim[]> {
  const { rows } = await db.query(CLAIM_SUSPECT, [lease.mailboxId, lease.token, priority]);
  return rows.map(toClaim);
}

function toClaim(row: RowOf<typeof CLAIM_COLUMNS>): Claim {
  return { ...camelCase(row), isProbe: false } as Claim;
}

// $1 mailbox id, $2 token, $3 ids or null for all claims of this lease
const RELEASE = statement(`
update email_ledger
set claim_token = null
where mailbox_id = $1::integer
  and claim_token = $2::uuid
  and ($3::text[] is null or gmail_message_id = any ($3::text[]))`);

/** Ends claims without an attempt: the messages are due as before. May run twice. */
export async function releaseClaims(
  db: Queryable,
  lease: Lease,
  ids: readonly string[] | null = null,
): Promise<void> {
  await db.query(RELEASE, [lease.mailboxId, lease.token, ids]);
}

// $1 mailbox id, $2 token, $3 id, $4 state, $5 rule or null
const RESOLVE = statement(`
update email_ledger
set state = $4::text,
    ignored_rule = $5::text,
    claim_token = null,
    is_crash_suspect = false,
    crash_count = 0,
    error_code = null,
    error_detail = null,
    resolved_at = now()
where mailbox_id = $1::integer
  and gmail_message_id = $3::text
  and claim_token = $2::uuid
  and state in ('pending', 'dead')`);

export type Resolution = { readonly state: 'gone' } | { readonly state: 'ignored'; readonly rule: string };

/** Ends the claim of a message that is not stored and needs no further attempt. May run twice. */
export async function resolveClaim(
  db: Queryable,
  lease: Lease,
  gmailMessageId: string,
  end: Resolution,
): Promise<void> {
  const rule = end.state === 'ignored' ? end.rule : null;
  await db.query(RESOLVE, [lease.mailboxId, lease.token, gmailMessageId, end.state, rule]);
}
