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
  /** When the mailbox was first seen: what arrived before is not asked for, but by the first listing. */
  readonly mailboxCreatedAt: Date;
}

/** @returns null when somebody else holds it */
export async function takeLease(db: Queryable, fence: Fence, holder: string): Promise<LeasedState | null> {
  const { rows } = await db.query<{ cursor_history_id: string; taken_at: Date; created_at: Date }>(
    `update mailboxes
     set lease_token = $2::uuid,
         lease_holder = $3::text,
         lease_expires_at = now() + $4::integer * interval '1 millisecond'
     where id = $1::integer
       and (lease_expires_at is null or lease_expires_at <= now() or lease_token = $2::uuid)
     returning cursor_history_id, created_at, now() as taken_at`,
    [fence.mailboxId, fence.token, holder, LEASE_MS],
  );
  const row = rows[0];
  if (row === undefined) return null;
  return {
    cursorHistoryId: row.cursor_history_id,
    takenAt: row.taken_at,
    mailboxCreatedAt: row.created_at,
  };
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

/** How far the holder's last listing reached. */
export interface Seen {
  /** What Gmail called its present historyId. */
  readonly endHistoryId: string;
  /** The last change that was really listed: Gmail names an id as present before it lists what happened there. */
  readonly shownHistoryId: string;
}

/** For so long after a push the holder waits for the record that it announced; usual lags are 1 to 3 s. */
const FRESH_HINT_SECONDS = 10;

// $3 end numeric or null, $4 last shown record numeric or null, $5 seconds int
const IS_HINTED = `coalesce(hint_history_id > $3::numeric, false)
           or coalesce(hint_history_id > $4::numeric and hint_at > now() - $5::integer * interval '1 second', false)`;

// The lease is given back, unless a push announced something that the holder has not looked for yet.
// $1 mailbox id int, $2 lease token uuid, $3 to $5 as above
// No row: the lease is somebody else's.
const RELEASE = `
with held as (
  select id,
         ${IS_HINTED} as is_hinted
  from mailboxes
  where id = $1::integer
    and lease_token = $2::uuid
  for update
),
released as (
  update mailboxes m
  set lease_token = null,
      lease_holder = null,
      lease_expires_at = null
  from held h
  where m.id = h.id
    and not h.is_hinted
)
select is_hinted
from held`;

function hintParameters(fence: Fence, seen: Seen | null): unknown[] {
  return [
    fence.mailboxId,
    fence.token,
    seen?.endHistoryId ?? null,
    seen?.shownHistoryId ?? null,
    FRESH_HINT_SECONDS,
  ];
}

/** True while a push has announced something that the holder has not looked for yet. */
export async function mustLookAgain(db: Queryable, fence: Fence, seen: Seen): Promise<boolean> {
  const { rows } = await db.query<{ is_hinted: boolean }>(
    `select ${IS_HINTED} as is_hinted
     from mailboxes
     where id = $1::integer
       and lease_token = $2::uuid`,
    hintParameters(fence, seen),
  );
  return rows[0]?.is_hinted === true;
}

/**
 * Gives the lease back, unless a push announced something that the holder has not looked for yet.
 *
 * @param seen null gives it back whatever stands announced
 */
export async function releaseLease(
  db: Queryable,
  fence: Fence,
  seen: Seen | null,
): Promise<'released' | 'look_again' | 'lost'> {
  const { rows } = await db.query<{ is_hinted: boolean }>(RELEASE, hintParameters(fence, seen));
  const row = rows[0];
  if (row === undefined) return 'lost';
  return row.is_hinted ? 'look_again' : 'released';
}

/** A hint that Gmail never comes to is not waited for in every run: it is lowered to what was seen. */
export async function dropStaleHint(db: Queryable, fence: Fence, seen: Seen): Promise<void> {
  await db.query(
    `update mailboxes
     set hint_history_id = $3::numeric
     where id = $1::integer
       and lease_token = $2::uuid
       and hint_history_id > $3::numeric
       and hint_at <= now() - $4::integer * interval '1 second'`,
    [fence.mailboxId, fence.token, seen.endHistoryId, FRESH_HINT_SECONDS],
  );
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
  if (rowCount !== 1) throw leaseLost();
}

export function leaseLost(): AppError {
  return new AppError('lease_lost', 'Another instance has taken the mailbox over.');
}
