/**
 * The lease of a mailbox: a fencing token and an expiry on its row. Only the holder lists and fetches. A holder that froze or
 * died loses the lease, and its later writes have no effect, because every write checks the token. A session lock would not
 * work: instances freeze, and poolers share sessions.
 */
import { AppError } from '../errors.ts';
import type { Queryable, QueryResult } from './database.ts';
import type { LabelColumns } from './label-setting.ts';
import { camelCase, onlyRow, type RowOfStatement } from './rows.ts';
import type { Trigger } from './runs.ts';
import { statement } from './statement.ts';

/** Where a listing begins, fixed before its first request. */
export interface HistoryStart {
  /** The cursor. */
  readonly historyId: string;
  /** The history id that this listing confirms: the unconfirmed one if it is old enough, otherwise null. */
  readonly confirmsTo: string | null;
}

/** Carried by every fenced write. */
export interface Lease {
  readonly mailboxId: number;
  /** Fencing token, uuid. */
  readonly token: string;
}

/**
 * Lifetime of a lease without a heartbeat. Four missed heartbeats mean a dead or frozen holder. It is shorter than the minute
 * between polls, so that a crash costs one poll.
 */
export const LEASE_MS = 40_000;

// Takes the lease and inserts the run row, both or neither. Repeated after a lost answer, it finds its own token and row.
// $1 mailbox id, $2 token, $3 holder, $4 lifetime in ms, $5 trigger, $6 settle seconds
// No row: another instance holds the lease, or the mailbox is gone.
const TAKE = statement(
  `
with before as materialized (
  select id, lease_token is not distinct from $2::uuid as is_again
  from mailboxes
  where id = $1::integer
  for no key update
),
taken as (
  update mailboxes m
  set lease_token = $2::uuid,
      lease_holder = $3::text,
      lease_expires_at = now() + $4::integer * interval '1 millisecond',
      last_run_at = now()
  from before b
  where m.id = b.id
    and (m.lease_expires_at is null or m.lease_expires_at <= now() or b.is_again)
  returning m.id, b.is_again, m.cursor_history_id, m.created_at, m.label_setting, m.label_id, m.label_reopened_to_id,
            case
              when m.unconfirmed_at <= clock_timestamp() - $6::integer * interval '1 second'
                then m.unconfirmed_history_id
            end as confirms_to
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
       t.created_at as mailbox_created_at, now() as taken_at, t.cursor_history_id as history_id, t.confirms_to,
       t.label_setting as setting, t.label_id, t.label_reopened_to_id as reopened_to_id,
       exists (
         select 1
         from email_ledger l
         where l.mailbox_id = t.id
           and l.claim_token is not null
           and l.claim_token <> $2::uuid
       ) as has_open_claims
from taken t`,
  {
    /** The row of this run in ingest_runs. */
    run_id: 'bigint',
    /** When the mailbox was first seen; only the first listing finds older mail. */
    mailbox_created_at: 'timestamp with time zone',
    taken_at: 'timestamp with time zone',
    history_id: 'numeric',
    confirms_to: 'numeric?',
    setting: 'text?',
    label_id: 'text?',
    reopened_to_id: 'bigint?',
    /** An earlier run left claims open: see `sweepOpenClaims`. */
    has_open_claims: 'boolean',
  },
);

export interface TakenLease
  extends Pick<RowOfStatement<typeof TAKE>, 'runId' | 'mailboxCreatedAt' | 'takenAt' | 'hasOpenClaims'> {
  /** Where the first listing of the history begins. */
  readonly start: HistoryStart;
  /** GMAIL_LABEL_ID as last resolved. */
  readonly label: LabelColumns;
}

/** Takes the lease and begins a run. @returns null when another instance holds the lease, or the mailbox is gone */
export async function takeLease(
  db: Queryable,
  { mailboxId, token }: Lease,
  run: { readonly holder: string; readonly trigger: Trigger; readonly settleSeconds: number },
): Promise<TakenLease | null> {
  const { holder, settleSeconds, trigger } = run;
  const { rows } = await db.query(TAKE, [mailboxId, token, holder, LEASE_MS, trigger, settleSeconds]);
  if (rows[0] === undefined) return null;
  const { confirmsTo, historyId, labelId, reopenedToId, setting, ...taken } = camelCase(rows[0]);
  return { ...taken, start: { historyId, confirmsTo }, label: { setting, labelId, reopenedToId } };
}

// $1 mailbox id, $2 token, $3 holder, $4 lifetime in ms
const TAKE_WITHOUT_RUN = statement(`
update mailboxes
set lease_token = $2::uuid,
    lease_holder = $3::text,
    lease_expires_at = now() + $4::integer * interval '1 millisecond'
where id = $1::integer
  and (lease_expires_at is null or lease_expires_at <= now() or lease_token = $2::uuid)`);

/** Takes the lease for work that is no run. @returns false when another instance holds it */
export async function takeLeaseWithoutRun(db: Queryable, lease: Lease, holder: string): Promise<boolean> {
  const { rowCount } = await db.query(TAKE_WITHOUT_RUN, [lease.mailboxId, lease.token, holder, LEASE_MS]);
  return rowCount === 1;
}

// $1 mailbox id, $2 token, $3 lifetime in ms
const RENEW = statement(`
update mailboxes
set lease_expires_at = now() + $3::integer * interval '1 millisecond'
where id = $1::integer
  and lease_token = $2::uuid
  and lease_expires_at > now()`);

/** Extends the lease (heartbeat). @returns false when the lease was lost */
export async function renewLease(db: Queryable, lease: Lease): Promise<boolean> {
  const { rowCount } = await db.query(RENEW, [lease.mailboxId, lease.token, LEASE_MS]);
  return rowCount === 1;
}

// $1 mailbox id, $2 token
const RELEASE = statement(`
update mailboxes
set lease_token = null,
    lease_holder = null,
    lease_expires_at = null
where id = $1::integer
  and lease_token = $2::uuid`);

/** Releases the lease without recording a run. May run twice. */
export async function releaseLease(db: Queryable, lease: Lease): Promise<void> {
  await db.query(RELEASE, [lease.mailboxId, lease.token]);
}

// $1 mailbox id, $2 token
const CHECK = statement('select holds_lease($1::integer, $2::uuid) as is_held', { is_held: 'boolean' });

/**
 * Checks the lease without locking its row. Call it last in a transaction of ledger writes, so that the writes of a holder that
 * has lost the lease are rolled back.
 *
 * @throws {AppError} lease_lost
 */
export async function assertLease(tx: Queryable, lease: Lease): Promise<void> {
  if (!(await onlyRow(tx, CHECK, [lease.mailboxId, lease.token])).is_held) throw leaseLost();
}

/**
 * For a statement that touches no row when the lease is lost or the mailbox is gone.
 *
 * @returns its row
 * @throws {AppError} lease_lost
 */
export function assertHeld<Row>({ rowCount, rows }: QueryResult<Row>): Row {
  if (rowCount === 0) throw leaseLost();
  // A statement that returns no columns has no row, and its type has nothing to read.
  return rows[0] as Row;
}

export function leaseLost(): AppError {
  return new AppError('lease_lost', 'Another instance has taken over the mailbox.');
}
