/**
 * The ledger: one row for each Gmail message id that was ever seen. A row is written before anything is
 * fetched, and ends as `stored`, `gone`, `ignored` or `dead`; until then it is `pending` and due again.
 * What must stay true: an id enters in the transaction that moves the cursor past it.
 */

import type { Queryable } from './database.ts';
import type { Fence } from './lease.ts';

export type LedgerSource = 'history' | 'initial' | 'backfill' | 'gap' | 'proof';

/** Live mail goes ahead of backlog. */
export const PRIORITY = { live: 0, backlog: 1 } as const;

export interface Sighting {
  readonly gmailMessageId: string;
  /** The rule that leaves it out, null to fetch it. */
  readonly ignoredRule: string | null;
  /** The history record that showed it; null when a listing did. */
  readonly historyId: string | null;
  /** The labels are not known: the rules are applied to the fetched message. */
  readonly checkLabels: boolean;
}

export interface Entered {
  /** Ids that the ledger did not have. */
  readonly newCount: number;
  /** The lowest history record among the new ids, null when there is none. */
  readonly oldestNewHistoryId: string | null;
  readonly newIds: readonly string[];
}

// A repeat changes nothing, with three exceptions. What was thought gone and is listed is taken up again. An id that a rule left out is taken when a later sighting lets it
// in (but not by the repeat of a history record that did not know the labels: the fetched message has decided).
// A waiting id goes ahead as live mail, and is taken unchecked, when the history knows better than a listing.
// $1 mailbox id int, $2 source text, $3 priority int, $4 ids text[], $5 rules text[], $6 historyIds numeric[],
// $7 check labels bool[]; every id once
const ENTER = `
with entered as (
  insert into email_ledger as l
    (mailbox_id, source, priority, gmail_message_id, state, ignored_rule, history_id, check_labels, settled_at)
  select $1::integer, $2::text, $3::smallint, s.id,
         case when s.rule is null then 'pending' else 'ignored' end,
         s.rule, s.history_id, s.check_labels,
         case when s.rule is not null then now() end
  from unnest($4::text[], $5::text[], $6::numeric[], $7::boolean[]) as s (id, rule, history_id, check_labels)
  on conflict (mailbox_id, gmail_message_id) do update
    set state = 'pending',
        ignored_rule = null,
        source = case
          when l.state <> 'pending' or l.source in ('proof', 'gap') then excluded.source
          else l.source
        end,
        priority = case when l.state <> 'pending' then excluded.priority else least(l.priority, excluded.priority) end,
        check_labels = excluded.check_labels and (l.state <> 'pending' or l.check_labels),
        attempt_count = case when l.state <> 'pending' then 0 else l.attempt_count end,
        next_attempt_at = case when l.state <> 'pending' then now() else l.next_attempt_at end,
        settled_at = null
    where excluded.state = 'pending'
      and case l.state
            when 'ignored' then
              case excluded.source
                when 'history' then not (l.check_labels and excluded.check_labels)
                -- Gmail's plain listing shows no spam and no trash: somebody took it out. The other rules still hold.
                when 'proof' then l.ignored_rule in ('spam', 'trash', 'label')
                else true
              end
            -- What Gmail lists is not gone: its answer of then was early.
            when 'gone' then excluded.source <> 'history'
            when 'pending' then
              excluded.priority < l.priority
                or (l.check_labels and not excluded.check_labels)
                or (l.source in ('proof', 'gap') and excluded.source in ('initial', 'backfill'))
            else false
          end
  returning l.gmail_message_id, l.history_id, (xmax = 0) as is_new
)
select count(*) filter (where is_new)::integer as new_count,
       coalesce(array_agg(gmail_message_id) filter (where is_new), '{}') as new_ids,
       min(history_id) filter (where is_new) as oldest_new_history_id
from entered`;

/** Enters ids, each once in the list. May run twice. */
export async function enterSightings(
  db: Queryable,
  mailboxId: number,
  source: LedgerSource,
  priority: number,
  sightings: readonly Sighting[],
): Promise<Entered> {
  if (sightings.length === 0) return { newCount: 0, oldestNewHistoryId: null, newIds: [] };
  const { rows } = await db.query<{
    new_count: number;
    new_ids: string[];
    oldest_new_history_id: string | null;
  }>(ENTER, [
    mailboxId,
    source,
    priority,
    sightings.map((s) => s.gmailMessageId),
    sightings.map((s) => s.ignoredRule),
    sightings.map((s) => s.historyId),
    sightings.map((s) => s.checkLabels),
  ]);
  const row = rows[0];
  return {
    newCount: row?.new_count ?? 0,
    oldestNewHistoryId: row?.oldest_new_history_id ?? null,
    newIds: row?.new_ids ?? [],
  };
}

/** The history shows what a proof had found first: it was only new, not missing. */
export async function noteShown(
  db: Queryable,
  mailboxId: number,
  sightings: readonly Sighting[],
): Promise<void> {
  if (sightings.length === 0) return;
  await db.query(
    `update email_ledger l
     set history_id = s.history_id
     from unnest($2::text[], $3::numeric[]) as s (id, history_id)
     where l.mailbox_id = $1::integer
       and l.gmail_message_id = s.id
       and l.source = 'proof'
       and l.history_id is null`,
    [mailboxId, sightings.map((s) => s.gmailMessageId), sightings.map((s) => s.historyId)],
  );
}

/** Lets ids in that a rule had left out, and only those: ids that the ledger does not have stay out. */
export async function readmit(db: Queryable, mailboxId: number, ids: readonly string[]): Promise<number> {
  if (ids.length === 0) return 0;
  const { rowCount } = await db.query(
    `update email_ledger
     set state = 'pending',
         ignored_rule = null,
         -- The history has seen the labels with which it is let in.
         check_labels = false,
         attempt_count = 0,
         next_attempt_at = now(),
         settled_at = null
     where mailbox_id = $1::integer
       and gmail_message_id = any ($2::text[])
       and state = 'ignored'`,
    [mailboxId, ids],
  );
  return rowCount;
}

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
const CLAIM = `
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
returning l.gmail_message_id, l.attempt_count, l.check_labels, l.source, l.priority, l.id`;

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
 * Inside the transaction that stores the email.
 *
 * @returns false when the row has ended already: somebody stored it before
 */
export async function markStored(tx: Queryable, mailboxId: number, id: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update email_ledger
     set state = 'stored',
         attempt_open = false,
         error_code = null,
         error_detail = null,
         settled_at = now()
     where mailbox_id = $1::integer
       and gmail_message_id = $2::text
       and state = 'pending'`,
    [mailboxId, id],
  );
  return rowCount === 1;
}

export interface Buried {
  readonly gmailMessageId: string;
  readonly attempts: number;
  readonly errorCode: string;
}

/**
 * Ends as dead what has failed, or killed its process, as often as a message may.
 *
 * @returns what was buried
 */
export async function buryExhausted(
  db: Queryable,
  fence: Fence,
  rule: { readonly maxAttempts: number; readonly runStartedAt: Date },
): Promise<Buried[]> {
  const { rows } = await db.query<{ gmail_message_id: string; attempt_count: number; error_code: string }>(
    `update email_ledger
     set state = 'dead',
         attempt_open = false,
         error_code = case when attempt_open then 'killed_process' else coalesce(error_code, 'internal') end,
         error_detail = case when attempt_open then 'Its last attempt ended with its process.' else error_detail end,
         settled_at = now()
     where mailbox_id = $1::integer
       and state = 'pending'
       and attempt_count >= $2::integer
       and (not attempt_open or last_attempt_at < $3::timestamptz)
       and exists (
         select 1
         from mailboxes m
         where m.id = $1::integer
           and m.lease_token = $4::uuid
           and m.lease_expires_at > now()
       )
     returning gmail_message_id, attempt_count, error_code`,
    [fence.mailboxId, rule.maxAttempts, rule.runStartedAt, fence.token],
  );
  return rows.map((row) => ({
    gmailMessageId: row.gmail_message_id,
    attempts: row.attempt_count,
    errorCode: row.error_code,
  }));
}

/** Gives every dead message of the mailbox its attempts back. */
export async function reviveDead(db: Queryable, mailboxId: number): Promise<number> {
  const { rowCount } = await db.query(
    `update email_ledger
     set state = 'pending',
         attempt_count = 0,
         -- What killed its process is read alone again.
         attempt_open = (error_code = 'killed_process'),
         next_attempt_at = now(),
         settled_at = null
     where mailbox_id = $1::integer
       and state = 'dead'`,
    [mailboxId],
  );
  return rowCount;
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
