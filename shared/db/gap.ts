/**
 * An expired history: Gmail no longer knows what happened after the cursor. The cursor is pinned to the present
 * historyId, and what may have arrived in between is listed by date. Both in one commit: a process that dies
 * leaves the old cursor, which expires again, or the new one with the gap planned.
 */
import type { Database } from './database.ts';
import { openIncident, reopenIncident } from './incidents.ts';
import { assertFence, type Fence } from './lease.ts';

/**
 * The gap begins where completeness was last proven, less the life of spam: what a person took out of spam, or gave
 * the wanted label, while nobody saw the history may have arrived so long ago. Repeats cost a hundredth of a unit.
 */
const OVERLAP_SECONDS = 31 * 86_400;

export interface Gap {
  readonly incidentId: number;
  /** False when the history has expired again soon after: it is the same incident still. */
  readonly isNew: boolean;
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
    const { rows } = await tx.query<{ id: number; query: string; expired: string }>(
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
       ),
       ended as (
         -- A gap that is still being listed is listed anew, from its first page.
         update listings s
         set finished_at = now()
         from before b
         where s.mailbox_id = b.id
           and s.purpose = 'gap'
           and s.finished_at is null
       ),
       put_off as (
         -- A proof under way begins again after the gap: no history can show any more what it found first.
         update listings s
         set page_token = null,
             listed_count = 0,
             unknown_ids = '{}',
             finished_at = null
         from before b
         where s.mailbox_id = b.id
           and s.purpose = 'proof'
           and s.judged_at is null
       )
       insert into listings (mailbox_id, purpose, query)
       select b.id, 'gap', q.query
       from before b
       -- What was thrown away meanwhile is not in Gmail's plain listing.
       cross join lateral (values (b.query), ('in:trash ' || b.query)) as q (query)
       returning id, query, (select expired from before)::text as expired`,
      [fence.mailboxId, pinnedHistoryId, OVERLAP_SECONDS],
    );
    const row = rows[0];
    const detail = {
      expired_history_id: row?.expired ?? null,
      pinned_history_id: pinnedHistoryId,
      query: row?.query ?? null,
      listing_ids: rows.map(({ id }) => id),
    };
    const again = await reopenIncident(tx, fence.mailboxId, 'history_expired', detail);
    if (again !== null) return { incidentId: again, isNew: false, query: row?.query ?? '' };
    const incidentId = await openIncident(tx, fence.mailboxId, 'history_expired', detail);
    return { incidentId, isNew: true, query: row?.query ?? '' };
  });
}
