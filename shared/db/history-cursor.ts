/**
 * The cursor: a Gmail history id on the mailbox row. All history up to it is in the ledger.
 *
 * Gmail can list a record some seconds after newer ones, so a listed id does not become the cursor at once. The history id of
 * an answer is stored as unconfirmed. A listing that begins at least the settle time later confirms it: page by page, the
 * cursor follows the records up to the unconfirmed id. So a truncated listing also moves the cursor, and a history of any
 * length is processed eventually.
 */
import type { Database, Queryable } from './database.ts';
import { assertHeld, type HistoryStart, type Lease } from './lease.ts';
import { type DiscoveredMessage, PRIORITY, unignore, upsertDiscovered } from './ledger.ts';
import { camelCase } from './rows.ts';
import { statement } from './statement.ts';

// $1 mailbox id, $2 settle seconds
const START = statement(
  `
select cursor_history_id as history_id,
       case
         when unconfirmed_at <= clock_timestamp() - $2::integer * interval '1 second' then unconfirmed_history_id
       end as confirms_to
from mailboxes
where id = $1::integer`,
  { history_id: 'numeric', confirms_to: 'numeric?' },
);

/** For all listings of a run except the first, whose start `takeLease` returns. @throws {AppError} lease_lost */
export async function readHistoryStart(
  db: Queryable,
  mailboxId: number,
  settleSeconds: number,
): Promise<HistoryStart> {
  return camelCase(assertHeld(await db.query(START, [mailboxId, settleSeconds])));
}

export interface HistoryPageEntry {
  readonly start: HistoryStart;
  readonly discovered: readonly DiscoveredMessage[];
  /** Ids that a label change made eligible; they become pending if a rule had excluded them. */
  readonly unignored: readonly string[];
  /** Gmail does not have the configured label, so the labels of unignored ids are checked again after fetching. */
  readonly isLabelMissing: boolean;
  /** Gmail's current history id, from the answer. */
  readonly answerHistoryId: string;
  /** The last record of the page; null when it has none. */
  readonly lastRecordId: string | null;
  /** The listing ends with this page. */
  readonly isLast: boolean;
}

export interface HistoryPageEntered {
  readonly newCount: number;
  /** A push has announced history that the listing has not shown. */
  readonly hasNewerHint: boolean;
}

// If Gmail does not reach a hint within ten seconds, a complete listing lowers the hint to its own answer. Later runs then
// do not wait for it. Only a hint from before the run is lowered. A hint that arrived during the run may be newer than an
// answer that took long to enter.
// $1 mailbox id, $2 token, $3 confirms to, $4 answer history id, $5 last record, $6 is last page, $7 start history id
// No row: the lease is lost.
const MOVE = statement(
  `
update mailboxes m
set cursor_history_id = n.cursor_history_id,
    unconfirmed_history_id = case when n.is_confirmed then n.newest_history_id else m.unconfirmed_history_id end,
    unconfirmed_at = case when n.is_confirmed then clock_timestamp() else m.unconfirmed_at end,
    listed_history_id = case
      when $6::boolean then greatest(m.listed_history_id, n.newest_history_id)
      else m.listed_history_id
    end,
    shown_history_id = greatest(m.shown_history_id, $5::numeric, $7::numeric),
    hint_history_id = case
      when $6::boolean and m.hint_at <= least(now() - interval '10 seconds', m.last_run_at)
        then least(m.hint_history_id, n.newest_history_id)
      else m.hint_history_id
    end
from (
  select c.id, c.cursor_history_id, c.newest_history_id,
         c.unconfirmed_history_id is null or c.cursor_history_id >= c.unconfirmed_history_id as is_confirmed
  from (
    select b.id, b.unconfirmed_history_id,
           greatest(b.cursor_history_id, case
             when $3::numeric is null then null
             when $6::boolean then $3::numeric
             else least($3::numeric, coalesce($5::numeric, 0))
           end) as cursor_history_id,
           greatest($4::numeric, $5::numeric) as newest_history_id
    from mailboxes b
    where b.id = $1::integer
  ) c
) n
where m.id = n.id
  and m.lease_token = $2::uuid
  and m.lease_expires_at > now()
returning has_newer_hint(m) as has_newer_hint`,
  { has_newer_hint: 'boolean' },
);

/**
 * Enters one page of history and moves the cursor, both or neither. May run twice. Only the last statement locks the mailbox
 * row.
 *
 * @throws {AppError} lease_lost
 */
export async function enterHistoryPage(
  db: Database,
  lease: Lease,
  page: HistoryPageEntry,
): Promise<HistoryPageEntered> {
  // An idle poll: nothing to enter, one fenced statement.
  if (page.discovered.length === 0 && page.unignored.length === 0) {
    return { newCount: 0, hasNewerHint: await moveCursor(db, lease, page) };
  }
  return await db.transaction(async (tx) => {
    const { mailboxId } = lease;
    const { newCount } = await upsertDiscovered(tx, mailboxId, 'history', PRIORITY.live, page.discovered);
    const unignoredCount = await unignore(tx, mailboxId, page.unignored, page.isLabelMissing);
    return { newCount: newCount + unignoredCount, hasNewerHint: await moveCursor(tx, lease, page) };
  });
}

async function moveCursor(
  tx: Queryable,
  { mailboxId, token }: Lease,
  { answerHistoryId, isLast, lastRecordId, start: { confirmsTo, historyId } }: HistoryPageEntry,
): Promise<boolean> {
  const move = [mailboxId, token, confirmsTo, answerHistoryId, lastRecordId, isLast, historyId];
  return assertHeld(await tx.query(MOVE, move)).has_newer_hint;
}
