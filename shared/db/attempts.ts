/**
 * Attempts at the messages that the ledger knows: claimed and counted before they start, ended once, handed back
 * when the fault was not the message's. Every write carries the fence of the lease.
 */
import type { Queryable } from './database.ts';
import type { Fence } from './lease.ts';
import { type LedgerSource, PRIORITY } from './ledger.ts';
import { prepared } from './statement.ts';

export interface Claim {
  readonly gmailMessageId: string;
  /** This attempt counted. */
  readonly attempt: number;
  readonly checkLabels: boolean;
  readonly source: LedgerSource;
}

export interface ClaimQuery {
  readonly limit: number;
  /** When the run began, by the clock of the database. */
  readonly runStartedAt: Date;
  /** True: what waits for its next attempt is taken too, once a run. */
  readonly ignoreWaits: boolean;
  /** True: only messages whose last attempt never ended (their process died). They are read one at a time. */
  readonly suspects: boolean;
  /** True: live mail only. */
  readonly liveOnly?: boolean;
}

// Count the attempt before it starts, so that a message which kills its process uses its attempts up.
// What was never tried goes first, then what was tried longest ago: messages that fail and fail, or kill their
// process, hold nobody up.
// $1 mailbox id int, $2 lease token uuid, $3 limit int, $4 run start timestamptz, $5 ignore waits bool, $6 suspects bool,
// $7 highest priority number smallint
const CLAIM = prepared(`
update email_ledger l
set attempt_count = l.attempt_count + 1,
    last_attempt_at = now(),
    attempt_open = true
from (
  select id
  from email_ledger
  where mailbox_id = $1::integer
    and state = 'pending'
    and (next_attempt_at <= now() or ($5::boolean and coalesce(last_attempt_at < $4::timestamptz, true)))
    and attempt_open = $6::boolean
    and (not attempt_open or last_attempt_at < $4::timestamptz)
    and priority <= $7::smallint
  order by priority, last_attempt_at nulls first, id
  limit $3::integer
) due
where l.id = due.id
  and exists (
    select 1
    from mailboxes m
    where m.id = $1::integer
      and m.lease_token = $2::uuid
      and m.lease_expires_at > now()
  )
returning l.gmail_message_id, l.attempt_count, l.check_labels, l.source, l.priority, l.id`);

/** Takes messages that are due, live mail first, and counts their attempts. */
export async function claimDue(db: Queryable, fence: Fence, query: ClaimQuery): Promise<Claim[]> {
  const { rows } = await db.query<{
    gmail_message_id: string;
    attempt_count: number;
    check_labels: boolean;
    source: LedgerSource;
    priority: number;
    id: number;
  }>(CLAIM, [
    fence.mailboxId,
    fence.token,
    query.limit,
    query.runStartedAt,
    query.ignoreWaits,
    query.suspects,
    query.liveOnly === true ? PRIORITY.live : PRIORITY.backlog,
  ]);
  return rows
    .toSorted((a, b) => a.priority - b.priority || a.id - b.id)
    .map((row) => ({
      gmailMessageId: row.gmail_message_id,
      attempt: row.attempt_count,
      checkLabels: row.check_labels,
      source: row.source,
    }));
}

export type AttemptEnd =
  | { readonly state: 'gone' }
  | { readonly state: 'ignored'; readonly rule: string }
  /** To be tried again; `counts` false hands the attempt back (the fault was not the message's). */
  | {
      readonly state: 'pending';
      readonly code: string;
      readonly detail: string;
      readonly waitMs: number;
      readonly counts: boolean;
    };

/** True while live mail waits whose last attempt never ended: it must not wait for the end of a backlog. */
export async function hasLiveSuspects(
  db: Queryable,
  mailboxId: number,
  runStartedAt: Date,
): Promise<boolean> {
  const { rowCount } = await db.query(
    `select 1
     from email_ledger
     where mailbox_id = $1::integer
       and state = 'pending'
       and priority = $2::smallint
       and attempt_open
       and last_attempt_at < $3::timestamptz
     limit 1`,
    [mailboxId, PRIORITY.live, runStartedAt],
  );
  return rowCount > 0;
}

/** Writes how an attempt ended that stored nothing. May run twice; touches no attempt that has ended already. */
export async function endAttempt(db: Queryable, fence: Fence, id: string, end: AttemptEnd): Promise<void> {
  const failed = end.state === 'pending' ? end : null;
  await db.query(
    `update email_ledger
     set state = $4::text,
         attempt_open = false,
         ignored_rule = $5::text,
         error_code = $6::text,
         error_detail = $7::text,
         next_attempt_at = now() + $8::integer * interval '1 millisecond',
         attempt_count = greatest(0, attempt_count - $9::integer),
         settled_at = case when $4::text <> 'pending' then now() end
     where mailbox_id = $1::integer
       and gmail_message_id = $3::text
       and state = 'pending'
       and attempt_open
       and exists (
         select 1
         from mailboxes m
         where m.id = $1::integer
           and m.lease_token = $2::uuid
           and m.lease_expires_at > now()
       )`,
    [
      fence.mailboxId,
      fence.token,
      id,
      end.state,
      end.state === 'ignored' ? end.rule : null,
      failed?.code ?? null,
      failed?.detail ?? null,
      end.state === 'pending' ? Math.round(end.waitMs) : 0,
      end.state === 'pending' && !end.counts ? 1 : 0,
    ],
  );
}

/**
 * Hands attempts of these messages back, one for each time that an id is named: the fault turned out not to be
 * theirs. Not to be run twice.
 */
export async function refundAttempts(db: Queryable, fence: Fence, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await db.query(
    `update email_ledger
     set attempt_count = greatest(0, attempt_count - named.count),
         next_attempt_at = now()
     from (
       select id, count(*)::integer as count
       from unnest($3::text[]) as id
       group by id
     ) named
     where mailbox_id = $1::integer
       and gmail_message_id = named.id
       and state = 'pending'
       and not attempt_open
       and exists (
         select 1
         from mailboxes m
         where m.id = $1::integer
           and m.lease_token = $2::uuid
           and m.lease_expires_at > now()
       )`,
    [fence.mailboxId, fence.token, ids],
  );
}
