/**
 * Reconciliation: Gmail's own listing of a window is compared with what is stored, as
 * "Gmail n = stored + pending + failed + ignored + gone + missing".
 *
 * Ids that the ledger does not know are entered when they are listed. Whether such an id was missing, or only too new for
 * the history to have shown it, is known the settle time later: what the history has not shown by then was missing, and is
 * an incident. The window is by date, so an import that arrives now with an old date is in no window: it is found by the
 * history only.
 *
 * This file plans and evaluates; `reconciliation-pages.ts` enters the listing.
 * Invariant: a mailbox has at most one open reconciliation.
 */
import type { Database, Queryable } from './database.ts';
import { closeMissing, openIncident } from './incidents.ts';
import type { Lease } from './lease.ts';
import { statement } from './statement.ts';

/** The longest window that is planned by itself. Gmail keeps spam and trash for 30 days. */
const WIDE_WINDOW_SECONDS = 31 * 86_400;
/** Two days are one page of 500 ids for most mailboxes, 5 units. */
const WINDOW_SECONDS = 2 * 86_400;
/** A window begins so long before the last reconciliation: Gmail dates the mail, the database the reconciliations. */
const OVERLAP_SECONDS = 3_600;
/** Of the incident of missing mail; the ledger has them all. */
const MAX_NAMED_IDS = 20;

// A window never begins before the first start of the mailbox, and reaches back to the last reconciliation when none was
// made for days. It is wide when none was within a day. Gmail's search knows seconds, so a second is added; what turns out
// to be older when it is fetched is excluded by its rule.
// $1 mailbox id, $2 lease token, $3 seconds between reconciliations, $4 window seconds, $5 wide window seconds,
// $6 overlap seconds
// No row: none is due, or the lease was lost.
const PLAN = statement(
  `
insert into reconciliations (mailbox_id, window_begins_at, is_full, query)
select m.id, w.begins_at, w.begins_at = m.created_at,
       '-in:spam -in:drafts after:' || floor(extract(epoch from w.begins_at) - 1)::bigint
from mailboxes m
cross join lateral (
  select exists (
           select 1
           from reconciliations r
           where r.mailbox_id = m.id
             and r.started_at > now() - interval '1 day'
             and r.window_begins_at <= greatest(m.created_at, r.started_at - $5::integer * interval '1 second')
         ) as had_wide,
         (
           select max(r.started_at)
           from reconciliations r
           where r.mailbox_id = m.id
             and r.evaluated_at is not null
         ) as last_started_at
) l
cross join lateral (
  select greatest(
           m.created_at,
           least(
             now() - case when l.had_wide then $4::integer else $5::integer end * interval '1 second',
             coalesce(l.last_started_at, m.created_at) - $6::integer * interval '1 second')
         ) as begins_at
) w
where m.id = $1::integer
  and holds_lease($1::integer, $2::uuid)
  and is_reconciliation_due($1::integer, $3::integer)
on conflict (mailbox_id) where evaluated_at is null do nothing
returning id`,
  { id: 'bigint' },
);

/** Plans the next reconciliation when it is due. May run twice. @returns false when none is due */
export async function planReconciliation(
  db: Queryable,
  lease: Lease,
  everySeconds: number,
): Promise<boolean> {
  const { rowCount } = await db.query(PLAN, [
    lease.mailboxId,
    lease.token,
    everySeconds,
    WINDOW_SECONDS,
    WIDE_WINDOW_SECONDS,
    OVERLAP_SECONDS,
  ]);
  return rowCount > 0;
}

// An open one is widened; it keeps its ids, because the ledger knows them by now.
// $1 mailbox id
const PLAN_FULL = statement(
  `
insert into reconciliations as r (mailbox_id, window_begins_at, is_full, query)
select m.id, m.created_at, true, '-in:spam -in:drafts after:' || floor(extract(epoch from m.created_at) - 1)::bigint
from mailboxes m
where m.id = $1::integer
on conflict (mailbox_id) where evaluated_at is null do update
  set window_begins_at = excluded.window_begins_at,
      is_full = true,
      query = excluded.query,
      page_token = null,
      restart_count = 0,
      error_code = null,
      error_detail = null,
      not_before = now(),
      listed_at = null
  where not r.is_full
     or r.error_code is not null`,
  {},
);

/**
 * Plans a reconciliation of everything since the first start of the mailbox, when an operator asks for it. Needs no lease,
 * and may run twice: a full one that is open goes on.
 */
export async function planFullReconciliation(db: Queryable, mailboxId: number): Promise<void> {
  await db.query(PLAN_FULL, [mailboxId]);
}

export interface ReconciliationResult {
  readonly id: number;
  readonly isFull: boolean;
  readonly windowBeginsAt: Date;
  /** Ids that Gmail listed, each once: the sum of the others. */
  readonly gmailCount: number;
  readonly storedCount: number;
  readonly pendingCount: number;
  /** Dead, or pending after an error. */
  readonly failedCount: number;
  readonly ignoredCount: number;
  readonly goneCount: number;
  readonly missingCount: number;
  /** Opened by this result; null when nothing is missing. */
  readonly incidentId: number | null;
}

// A reconciliation can be evaluated when it is listed, and the history was listed to its end the settle time later; one
// that found no unknown id need not wait. The ledger row of an id that the history showed has a history id. An id that a
// rule excluded is no received mail, so it cannot be missing. An erased email is still stored in the ledger.
// $1 mailbox id, $2 lease token, $3 begin of the run, $4 number of missing ids to return
// No row: none can be evaluated, or the lease was lost.
const EVALUATE = statement(
  `
with due as (
  select r.id
  from reconciliations r
  where r.mailbox_id = $1::integer
    and r.evaluated_at is null
    and r.listed_at is not null
    and (r.not_before <= $3::timestamptz or not exists (
      select 1
      from reconciliation_ids i
      where i.reconciliation_id = r.id
        and not i.was_known
    ))
    and holds_lease($1::integer, $2::uuid)
),
outcomes as (
  select i.gmail_message_id,
         case
           when l.id is null then 'missing'
           when not i.was_known and l.history_id is null and l.state <> 'ignored' then 'missing'
           when l.state = 'dead' or (l.state = 'pending' and l.error_code is not null) then 'failed'
           else l.state
         end as outcome
  from due d
  join reconciliation_ids i on i.reconciliation_id = d.id
  left join email_ledger l on l.mailbox_id = $1::integer and l.gmail_message_id = i.gmail_message_id
),
counts as (
  select count(*) as gmail_count,
         count(*) filter (where outcome = 'stored') as stored_count,
         count(*) filter (where outcome = 'pending') as pending_count,
         count(*) filter (where outcome = 'failed') as failed_count,
         count(*) filter (where outcome = 'ignored') as ignored_count,
         count(*) filter (where outcome = 'gone') as gone_count,
         count(*) filter (where outcome = 'missing') as missing_count,
         coalesce(
           (array_agg(gmail_message_id order by gmail_message_id) filter (where outcome = 'missing'))
             [1:$4::integer],
           '{}') as missing_ids
  from outcomes
),
removed as (
  delete from reconciliation_ids
  where reconciliation_id in (select id from due)
)
update reconciliations r
set evaluated_at = now(),
    gmail_count = c.gmail_count,
    stored_count = c.stored_count,
    pending_count = c.pending_count,
    failed_count = c.failed_count,
    ignored_count = c.ignored_count,
    gone_count = c.gone_count,
    missing_count = c.missing_count
from due d
cross join counts c
where r.id = d.id
returning r.id, r.is_full, r.window_begins_at, c.gmail_count, c.stored_count, c.pending_count, c.failed_count,
          c.ignored_count, c.gone_count, c.missing_count, c.missing_ids`,
  {
    id: 'bigint',
    is_full: 'boolean',
    window_begins_at: 'timestamp with time zone',
    gmail_count: 'bigint',
    stored_count: 'bigint',
    pending_count: 'bigint',
    failed_count: 'bigint',
    ignored_count: 'bigint',
    gone_count: 'bigint',
    missing_count: 'bigint',
    missing_ids: 'text[]',
  },
);

/**
 * Evaluates the open reconciliation and closes it; opens an incident when something was missing, and closes those of earlier ones when
 * nothing was.
 *
 * @param runStartedAt by the clock of the database; that run has listed the history to its end since
 * @returns null when none can be evaluated yet
 */
export async function closeReconciliation(
  db: Database,
  lease: Lease,
  runStartedAt: Date,
): Promise<ReconciliationResult | null> {
  const { mailboxId, token } = lease;
  return await db.transaction(async (tx) => {
    const { rows } = await tx.query(EVALUATE, [mailboxId, token, runStartedAt, MAX_NAMED_IDS]);
    const row = rows[0];
    if (row === undefined) return null;
    const counts = {
      gmailCount: row.gmail_count,
      storedCount: row.stored_count,
      pendingCount: row.pending_count,
      failedCount: row.failed_count,
      ignoredCount: row.ignored_count,
      goneCount: row.gone_count,
      missingCount: row.missing_count,
    };
    const result = { id: row.id, isFull: row.is_full, windowBeginsAt: row.window_begins_at, ...counts };
    if (counts.missingCount === 0) {
      await closeMissing(tx, mailboxId);
      return { ...result, incidentId: null };
    }
    const incidentId = await openIncident(tx, mailboxId, 'missing_found', {
      reconciliation_id: row.id,
      gmail_count: counts.gmailCount,
      missing_count: counts.missingCount,
      gmail_message_ids: row.missing_ids,
    });
    return { ...result, incidentId };
  });
}
