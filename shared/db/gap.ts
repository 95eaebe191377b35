/**
 * An expired history: Gmail no longer knows what happened after the cursor. The cursor is pinned to the present
 * historyId, and what may have arrived in between is listed by date. Both in one commit: a process that dies
 * leaves the old cursor, which expires again, or the new one with the gap planned.
 */
import type { Database } from './database.ts';
import { openIncident } from './incidents.ts';
import { assertFence, type Fence } from './lease.ts';

/**
 * The gap begins where completeness was last proven, less this much: dates of mail are Gmail's, the proof's are
 * ours, and clocks differ. Listing a mail again costs a hundredth of a unit.
 */
const OVERLAP_SECONDS = 86_400;

export interface Gap {
  readonly incidentId: number;
  /** Of Gmail's search. */
  readonly query: string;
}

/**
 * @param pinnedHistoryId Gmail's present historyId, asked for before anything is listed
 * @throws {AppError} lease_lost
 */
export async function planGap(db: Database, fence: Fence, pinnedHistoryId: string): Promise<Gap> {
  return await db.transaction(async (tx) => {
    await assertFence(tx, fence);
    const { rows } = await tx.query<{ query: string; listing_id: number; expired: string }>(
      `with before as (
         select id, coalesce(scan_history_id, cursor_history_id) as expired,
                'after:' || floor(extract(epoch from
                  greatest(created_at, proved_at - $3::integer * interval '1 second')) - 1)::bigint as query
         from mailboxes
         where id = $1::integer
       ),
       pinned as (
         update mailboxes m
         set cursor_history_id = $2::numeric,
             settling_history_id = null,
             settling_since = null,
             scan_history_id = null
         from before b
         where m.id = b.id
       )
       insert into listings (mailbox_id, purpose, query)
       select b.id, 'gap', b.query
       from before b
       returning query, id as listing_id, (select expired from before)::text as expired`,
      [fence.mailboxId, pinnedHistoryId, OVERLAP_SECONDS],
    );
    const row = rows[0];
    const incidentId = await openIncident(tx, fence.mailboxId, 'history_expired', {
      expired_history_id: row?.expired ?? null,
      pinned_history_id: pinnedHistoryId,
      query: row?.query ?? null,
      listing_id: row?.listing_id ?? null,
    });
    return { incidentId, query: row?.query ?? '' };
  });
}
