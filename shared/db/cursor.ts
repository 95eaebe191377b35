/**
 * The cursor: a Gmail historyId on the mailbox row. All history up to it stands in the ledger for good.
 *
 * A listing's end does not become the cursor at once, because Gmail's index can lag what it announces: a record
 * may turn up below an end that was listed already. The end settles first: only a later listing from the same
 * cursor, at least the settle time after it, that finds nothing new at or below it, moves the cursor there.
 * Re-listing costs 2 units; the ledger absorbs the repeats.
 */

import type { Database, Queryable } from './database.ts';
import { assertFence, type Fence, isHinted, leaseLost } from './lease.ts';
import { enterSightings, noteShown, PRIORITY, readmit, type Sighting } from './ledger.ts';
import {
  type LookFor,
  lookParameters,
  type Outlook,
  type OutlookRow,
  outlookColumns,
  toOutlook,
} from './outlook.ts';
import { prepared } from './statement.ts';

export interface HistoryPageEntry {
  readonly sightings: readonly Sighting[];
  /** Ids that the ledger takes only if a rule had left them out. */
  readonly readmitted: readonly string[];
  /** A page with more behind it: the last record on it. */
  readonly resumeAt: string | null;
  /** The last page: Gmail's current historyId. */
  readonly end: string | null;
  /** The listing began at the cursor, so that its end can settle what came before. */
  readonly fromCursor: boolean;
  /** When the listing began: its first pages are as old as that. */
  readonly listedAt: Date;
  /** The lowest new record on the earlier pages of the same listing. */
  readonly oldestNewHistoryId: string | null;
  /** The last record that the listing has shown so far, or where it began. */
  readonly shownHistoryId: string;
  readonly settleSeconds: number;
  /** What the end of the listing is to look for beside. */
  readonly lookFor: LookFor;
}

/** What stood in the database when the end of a listing was entered. */
export interface AtEnd {
  /** A push has announced something beyond this listing. */
  readonly isHinted: boolean;
  readonly outlook: Outlook;
}

export interface HistoryPageEntered {
  readonly newCount: number;
  /** The lowest new record of the listing so far. */
  readonly oldestNewHistoryId: string | null;
  /** Null for a page with more behind it. */
  readonly atEnd: AtEnd | null;
}

/**
 * Enters one page of history and moves along it, both or neither. May run twice.
 *
 * @throws {AppError} lease_lost
 */
export async function enterHistoryPage(
  db: Database,
  fence: Fence,
  page: HistoryPageEntry,
): Promise<HistoryPageEntered> {
  const { end } = page;
  if (end !== null && page.sightings.length === 0 && page.readmitted.length === 0) {
    // As in every idle poll: one statement that is fenced itself.
    const atEnd = await settle(db, fence, { ...page, end });
    return { newCount: 0, oldestNewHistoryId: page.oldestNewHistoryId, atEnd };
  }
  return await db.transaction(async (tx) => {
    await assertFence(tx, fence);
    const entered = await enterSightings(tx, fence.mailboxId, 'history', PRIORITY.live, page.sightings);
    await noteShown(tx, fence.mailboxId, page.sightings);
    const readmittedCount = await readmit(tx, fence.mailboxId, page.readmitted);
    const oldest = lower(page.oldestNewHistoryId, entered.oldestNewHistoryId);
    if (end === null) await moveScan(tx, fence, page.resumeAt, oldest);
    const atEnd = end === null ? null : await settle(tx, fence, { ...page, end, oldestNewHistoryId: oldest });
    return { newCount: entered.newCount + readmittedCount, oldestNewHistoryId: oldest, atEnd };
  });
}

// A listing that is cut here goes on in another run, which will not know that the index was late: the wait starts
// again at once.
async function moveScan(
  tx: Queryable,
  fence: Fence,
  resumeAt: string | null,
  oldestNewHistoryId: string | null,
): Promise<void> {
  await tx.query(
    `update mailboxes
     set scan_history_id = coalesce($2::numeric, scan_history_id),
         settling_since = case when $3::numeric <= settling_history_id then now() else settling_since end
     where id = $1::integer`,
    [fence.mailboxId, resumeAt, oldestNewHistoryId],
  );
}

// The end of a listing: what settled long enough becomes the cursor, and the new end begins to settle.
// A new record at or below the settling end proves the index late: the wait starts again.
// $1 mailbox id int, $2 end numeric, $3 listed from the cursor bool, $4 lowest new record numeric or null, $5 settle seconds int,
// $6 begin of the listing timestamptz, $7 lease token uuid, $8 last shown record numeric, $9 and on of lookParameters
// No row: the lease was lost.
const SETTLE = prepared(`
with before as (
  select id,
         coalesce($3::boolean
           and settling_since <= $6::timestamptz - $5::integer * interval '1 second'
           and coalesce($4::numeric > settling_history_id, true), false) as is_settled,
         coalesce($4::numeric <= settling_history_id, false) as is_late
  from mailboxes
  where id = $1::integer
),
next as (
  select b.id,
         case
           when $5::integer = 0 then greatest(m.cursor_history_id, $2::numeric)
           when b.is_settled then greatest(m.cursor_history_id, m.settling_history_id)
           else m.cursor_history_id
         end as cursor_history_id,
         b.is_settled or b.is_late or m.settling_history_id is null as starts_anew
  from before b
  join mailboxes m on m.id = b.id
),
settled as (
  update mailboxes m
  set scan_history_id = null,
      cursor_history_id = n.cursor_history_id,
      settling_history_id = case
        when $2::numeric <= n.cursor_history_id then null
        when n.starts_anew then $2::numeric
        else m.settling_history_id
      end,
      settling_since = case
        when $2::numeric <= n.cursor_history_id then null
        when n.starts_anew then now()
        else m.settling_since
      end
  from next n
  where m.id = n.id
    and m.lease_token = $7::uuid
    and m.lease_expires_at > now()
  -- As it stands behind the lock: a push may have waited in front of it.
  returning m.*
)
select ${isHinted('m', '$2', '$8')} as is_hinted,
       ${outlookColumns('m', 9)}
from settled m`);

async function settle(
  tx: Queryable,
  fence: Fence,
  page: HistoryPageEntry & { readonly end: string },
): Promise<AtEnd> {
  const { rows } = await tx.query<{ is_hinted: boolean } & OutlookRow>(SETTLE, [
    fence.mailboxId,
    page.end,
    page.fromCursor,
    page.oldestNewHistoryId,
    page.settleSeconds,
    page.listedAt,
    fence.token,
    page.shownHistoryId,
    ...lookParameters(page.lookFor),
  ]);
  const row = rows[0];
  if (row === undefined) throw leaseLost();
  return { isHinted: row.is_hinted, outlook: toOutlook(row) };
}

function lower(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b;
  return BigInt(a) <= BigInt(b) ? a : b;
}
