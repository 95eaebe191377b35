/**
 * Repair of an expired history: Gmail no longer has the records after the cursor. The cursor is pinned to the current history
 * id, and mail that may have arrived in between is listed by date.
 * Invariant: both happen in one commit. After a crash the row has either the old cursor, which expires again, or the new cursor
 * and a planned gap.
 */
import type { Database } from './database.ts';
import { openIncident, reopenIncident } from './incidents.ts';
import { assertHeld, type Lease } from './lease.ts';
import { statement } from './statement.ts';

export interface HistoryGap {
  readonly incidentId: number;
  /** False when the last gap is still open or the history also expired within the last hour: the incident continues. */
  readonly isNew: boolean;
  /** A query of Gmail's search. */
  readonly query: string;
}

// The gap begins 31 days before the last reconciliation, because Gmail keeps spam for 30: a message that a user moved out of
// spam or labeled while the history was unread may have arrived that long ago.
// Replaces an open gap by one that reaches equally far back. Trash is listed, because a message that has been deleted since was
// received too. Gmail's search has a resolution of one second, so the window begins one second earlier.
// $1 mailbox id
const PLAN_GAP = statement(
  `
with replaced as (
  update list_jobs
  set finished_at = now()
  where mailbox_id = $1::integer
    and purpose = 'gap'
    and finished_at is null
),
planned as (
  insert into list_jobs (mailbox_id, purpose, query, include_spam_trash)
  select m.id, 'gap',
         '-in:spam -in:drafts after:' || floor(extract(epoch from greatest(
           m.created_at,
           (
             select max(r.started_at) - interval '31 days'
             from reconciliations r
             where r.mailbox_id = m.id
               and r.evaluated_at is not null
           )
         )) - 1)::bigint,
         true
  from mailboxes m
  where m.id = $1::integer
  returning id, mailbox_id, query
)
select p.id, p.query, m.cursor_history_id
from planned p
join mailboxes m on m.id = p.mailbox_id`,
  { id: 'integer', query: 'text', cursor_history_id: 'numeric' },
);

// The history can no longer show the ids that an open reconciliation found unknown, so they would count as missing. It restarts
// and lists them again, as known.
// $1 mailbox id
const RESTART_RECONCILIATION = statement(`
with restarted as (
  update reconciliations
  set page_token = null,
      listed_at = null,
      restart_count = 0,
      not_before = now(),
      evaluated_to = null,
      gmail_count = null,
      stored_count = null,
      pending_count = null,
      failed_count = null,
      ignored_count = null,
      gone_count = null,
      missing_count = null,
      missing_ids = '{}'
  where mailbox_id = $1::integer
    and evaluated_at is null
  returning id
)
delete from reconciliation_ids
where reconciliation_id in (select id from restarted)
  and not was_known`);

// $1 mailbox id, $2 lease token, $3 current history id
// Touches no row: the lease was lost.
const PIN = statement(`
update mailboxes
set cursor_history_id = $3::numeric,
    unconfirmed_history_id = null,
    unconfirmed_at = null,
    listed_history_id = null,
    shown_history_id = null
where id = $1::integer
  and lease_token = $2::uuid
  and lease_expires_at > now()`);

/**
 * Plans the gap and pins the cursor.
 *
 * @param pinnedHistoryId Gmail's current history id, read before anything is listed
 * @throws {AppError} lease_lost
 */
export async function planHistoryGap(
  db: Database,
  lease: Lease,
  pinnedHistoryId: string,
): Promise<HistoryGap> {
  const { mailboxId } = lease;
  return await db.transaction(async (tx) => {
    const job = assertHeld(await tx.query(PLAN_GAP, [mailboxId]));
    await tx.query(RESTART_RECONCILIATION, [mailboxId]);
    const detail = {
      expired_history_id: job.cursor_history_id,
      pinned_history_id: pinnedHistoryId,
      query: job.query,
      list_job_id: job.id,
    };
    const known = await reopenIncident(tx, mailboxId, 'history_expired', detail);
    const incidentId = known ?? (await openIncident(tx, mailboxId, 'history_expired', detail));
    assertHeld(await tx.query(PIN, [mailboxId, lease.token, pinnedHistoryId]));
    return { incidentId, isNew: known === null, query: job.query };
  });
}
