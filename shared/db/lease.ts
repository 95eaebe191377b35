/**
 * The lease of a mailbox: a token and an expiry on its row. Whoever holds it is the only one who lists and
 * fetches; a holder that froze or died loses it, and nothing it writes later takes effect, because every write
 * carries the token and is refused when the token is not current. No session lock: instances freeze, and
 * poolers share sessions.
 */
import { AppError } from '../errors.ts';
import type { Queryable } from './database.ts';

/** Carried by every fenced write. */
export interface Fence {
  readonly mailboxId: number;
  readonly token: string;
}

/**
 * Life of a lease without renewal. Four missed heartbeats: a holder that is silent for so long is dead or
 * frozen; and shorter than the minute between two polls, so that a crash costs one tick.
 */
export const LEASE_MS = 40_000;

/** What the holder finds on the row when it takes the lease. */
export interface LeasedState {
  readonly cursorHistoryId: string;
  /** Transaction time of the taking, by the clock of the database. */
  readonly takenAt: Date;
}

/** @returns null when somebody else holds it */
export async function takeLease(db: Queryable, fence: Fence, holder: string): Promise<LeasedState | null> {
  const { rows } = await db.query<{ cursor_history_id: string; taken_at: Date }>(
    `update mailboxes
     set lease_token = $2::uuid,
         lease_holder = $3::text,
         lease_expires_at = now() + $4::integer * interval '1 millisecond'
     where id = $1::integer
       and (lease_expires_at is null or lease_expires_at <= now() or lease_token = $2::uuid)
     returning cursor_history_id, now() as taken_at`,
    [fence.mailboxId, fence.token, holder, LEASE_MS],
  );
  const row = rows[0];
  return row === undefined ? null : { cursorHistoryId: row.cursor_history_id, takenAt: row.taken_at };
}

/** @returns false when it is no longer ours */
export async function renewLease(db: Queryable, fence: Fence): Promise<boolean> {
  const { rowCount } = await db.query(
    `update mailboxes
     set lease_expires_at = now() + $3::integer * interval '1 millisecond'
     where id = $1::integer
       and lease_token = $2::uuid
       and lease_expires_at > now()`,
    [fence.mailboxId, fence.token, LEASE_MS],
  );
  return rowCount === 1;
}

/**
 * Gives the lease back, unless a push announced something that the holder has not looked for yet.
 *
 * @param seenHistoryId end of the holder's last listing; null gives it back whatever stands announced
 * @returns `kept` when the holder must look again (or has lost the lease already)
 */
export async function releaseLease(
  db: Queryable,
  fence: Fence,
  seenHistoryId: string | null,
): Promise<'released' | 'kept'> {
  const { rowCount } = await db.query(
    `update mailboxes
     set lease_token = null,
         lease_holder = null,
         lease_expires_at = null
     where id = $1::integer
       and lease_token = $2::uuid
       and ($3::numeric is null or hint_history_id is null or hint_history_id <= $3::numeric)`,
    [fence.mailboxId, fence.token, seenHistoryId],
  );
  return rowCount === 1 ? 'released' : 'kept';
}

/**
 * Inside a transaction: goes on only while the lease is ours, and keeps it from being taken until the commit.
 *
 * @throws {AppError} lease_lost
 */
export async function assertFence(tx: Queryable, fence: Fence): Promise<void> {
  const { rowCount } = await tx.query(
    `select 1
     from mailboxes
     where id = $1::integer
       and lease_token = $2::uuid
       and lease_expires_at > now()
     for share`,
    [fence.mailboxId, fence.token],
  );
  if (rowCount !== 1) throw new AppError('lease_lost', 'Another instance has taken the mailbox over.');
}
