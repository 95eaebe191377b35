/**
 * The lease of a mailbox: a token and an expiry on its row. Whoever holds it is the only one who lists and
 * fetches; a holder that froze or died loses it, and nothing it writes later takes effect, because every write
 * carries the token and is refused when the token is not current. No session lock: instances freeze, and
 * poolers share sessions.
 */
import { AppError } from '../errors.ts';
import type { Queryable } from './database.ts';
import type { Trigger } from './runs.ts';
import { SCAN_COLUMNS, type ScanRow, type ScanStart, toScanStart } from './scan-start.ts';
import { prepared } from './statement.ts';

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
export interface Leased {
  /** The row that says that this run began. */
  readonly runId: number;
  readonly scan: ScanStart;
  /** Transaction time of the taking, by the clock of the database. */
  readonly takenAt: Date;
  /** When the mailbox was first seen: what arrived before is not asked for, but by the first listing. */
  readonly mailboxCreatedAt: Date;
}

// The lease, and the row that says so: both or neither. Asked again because the first answer was lost, it finds its own
// token and its own row.
// $1 mailbox id int, $2 lease token uuid, $3 holder text, $4 life ms int, $5 trigger text
// No row: somebody else holds it.
const TAKE = prepared(`
with before as materialized (
  select id, lease_token is not distinct from $2::uuid as is_again
  from mailboxes
  where id = $1::integer
  for update
),
taken as (
  update mailboxes m
  set lease_token = $2::uuid,
      lease_holder = $3::text,
      lease_expires_at = now() + $4::integer * interval '1 millisecond'
  from before b
  where m.id = b.id
    and (lease_expires_at is null or lease_expires_at <= now() or b.is_again)
  returning m.id, b.is_again, cursor_history_id, created_at, ${SCAN_COLUMNS}
),
begun as (
  insert into ingest_runs (mailbox_id, trigger, cursor_before)
  select id, $5::text, cursor_history_id
  from taken
  where not is_again
  returning id
)
select coalesce(
         (select id from begun),
         (select r.id from ingest_runs r where r.mailbox_id = t.id order by r.id desc limit 1)) as run_id,
       t.created_at, t.history_id, t.from_cursor, t.listed_at
from taken t`);

/** Begins a run. @returns null when somebody else holds the lease */
export async function takeLease(
  db: Queryable,
  fence: Fence,
  run: { readonly holder: string; readonly trigger: Trigger },
): Promise<Leased | null> {
  const { rows } = await db.query<ScanRow & { run_id: number; created_at: Date }>(TAKE, [
    fence.mailboxId,
    fence.token,
    run.holder,
    LEASE_MS,
    run.trigger,
  ]);
  const row = rows[0];
  if (row === undefined) return null;
  return {
    runId: row.run_id,
    scan: toScanStart(row),
    takenAt: row.listed_at,
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

/**
 * An expression of SQL: a push has announced something that the holder has not looked for yet.
 *
 * @param mailbox alias of the row
 * @param end parameter: the end of the last listing, numeric or null
 * @param shown parameter: the last record that it showed, numeric or null
 */
export function isHinted(mailbox: string, end: string, shown: string): string {
  return `(coalesce(${mailbox}.hint_history_id > ${end}::numeric, false)
           or coalesce(${mailbox}.hint_history_id > ${shown}::numeric
             and ${mailbox}.hint_at > now() - interval '${FRESH_HINT_SECONDS} seconds', false))`;
}

/** True while a push has announced something that the holder has not looked for yet. */
export async function mustLookAgain(db: Queryable, fence: Fence, seen: Seen): Promise<boolean> {
  const { rows } = await db.query<{ is_hinted: boolean }>(
    `select ${isHinted('m', '$3', '$4')} as is_hinted
     from mailboxes m
     where id = $1::integer
       and lease_token = $2::uuid`,
    [fence.mailboxId, fence.token, seen.endHistoryId, seen.shownHistoryId],
  );
  return rows[0]?.is_hinted === true;
}

/** Gives back the lease of a run that did not come to its begin. May run twice. */
export async function dropLease(db: Queryable, fence: Fence): Promise<void> {
  await db.query(
    `update mailboxes
     set lease_token = null,
         lease_holder = null,
         lease_expires_at = null
     where id = $1::integer
       and lease_token = $2::uuid`,
    [fence.mailboxId, fence.token],
  );
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
