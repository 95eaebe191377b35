/**
 * Reconciliation compares Gmail's own listing of a window with what is stored:
 * "Gmail n = stored + pending + failed + ignored + gone + missing".
 *
 * Unknown ids enter the ledger when they are listed. An unknown id is either missing, or too new for the history. Ids that the
 * history has not shown after the settle time count as missing and open an incident. Windows are by date, so an import that
 * arrives now with an old date is in no window: only the history finds it.
 *
 * This file plans; `reconciliation-pages.ts` enters the listing, `reconciliation-evaluation.ts` counts it.
 * Invariant: a mailbox has at most one open reconciliation.
 */
import type { Queryable } from './database.ts';
import type { Lease } from './lease.ts';
import { statement } from './statement.ts';

// A window of two days is one page of 500 ids for most mailboxes, 5 units. A wide one has 31 days, because Gmail keeps spam and
// trash for 30. It is wide when no wide one began within its interval. A window never begins before the first start of the
// mailbox, and always reaches back to an hour before the last reconciliation: Gmail dates the mail, the database dates the
// reconciliation. Gmail's search has a resolution of one second, so the window begins one second earlier; a rule excludes older
// messages when they are fetched.
// $1 mailbox id, $2 lease token, $3 seconds between reconciliations, $4 seconds between wide ones
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
             and r.started_at > now() - $4::integer * interval '1 second'
             and r.window_begins_at <= greatest(m.created_at, r.started_at - interval '31 days')
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
             now() - case when l.had_wide then interval '2 days' else interval '31 days' end,
             coalesce(l.last_started_at, m.created_at) - interval '1 hour')
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
  { mailboxId, token }: Lease,
  everySeconds: number,
  wideEverySeconds = 86_400,
): Promise<boolean> {
  const { rowCount } = await db.query(PLAN, [mailboxId, token, everySeconds, wideEverySeconds]);
  return rowCount > 0;
}

// Widens an open reconciliation. It keeps its ids with their `was_known`, because the ledger knows all of them by now.
// $1 mailbox id
const PLAN_FULL = statement(`
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
      listed_at = null,
      evaluated_to = null,
      gmail_count = null,
      stored_count = null,
      pending_count = null,
      failed_count = null,
      ignored_count = null,
      gone_count = null,
      missing_count = null,
      missing_ids = '{}'
  where not r.is_full
     or r.error_code is not null`);

/**
 * Plans a reconciliation of all mail since the first start of the mailbox, at an operator's request. Needs no lease. May run
 * twice: an open full reconciliation continues.
 */
export async function planFullReconciliation(db: Queryable, mailboxId: number): Promise<void> {
  await db.query(PLAN_FULL, [mailboxId]);
}
