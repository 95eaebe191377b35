/** The mailbox row as a run and a push see it: which mailbox it is, whether it is due, and what a push announced. */
import { AppError } from '../errors.ts';
import type { Queryable } from './database.ts';
import { statement } from './statement.ts';

export interface Mailbox {
  readonly id: number;
  readonly emailAddress: string;
  readonly failureCount: number;
  readonly nextPollAt: Date | null;
  /** A scheduled poll has work to do: see the SQL function `is_poll_due`. */
  readonly isDue: boolean;
  /** Runs failed, and the wait after them is not over. */
  readonly isBackingOff: boolean;
  /** A push announced something new, and the last run began so long ago that the backoff does not hold it back. */
  readonly mayIgnoreBackoff: boolean;
}

const MAILBOX_COLUMNS = {
  id: 'integer',
  email_address: 'text',
  failure_count: 'integer',
  next_poll_at: 'timestamp with time zone?',
  is_due: 'boolean',
  is_backing_off: 'boolean',
  may_ignore_backoff: 'boolean',
} as const;

interface MailboxRow {
  id: number;
  email_address: string;
  failure_count: number;
  next_poll_at: Date | null;
  is_due: boolean;
  is_backing_off: boolean;
  may_ignore_backoff: boolean;
}

// $1 credential fingerprint
const FIND = statement(
  `
select m.id, m.email_address, m.failure_count, m.next_poll_at, is_poll_due(m) as is_due,
       is_backing_off(m) as is_backing_off, may_ignore_backoff(m) as may_ignore_backoff
from mailboxes m
where m.credential_fingerprint = $1::text`,
  MAILBOX_COLUMNS,
);

/** The mailbox that these credentials reach; null when they were never used. */
export async function findMailbox(db: Queryable, fingerprint: string): Promise<Mailbox | null> {
  const { rows } = await db.query(FIND, [fingerprint]);
  const row = rows[0];
  return row === undefined ? null : toMailbox(row);
}

export interface RunningFlagAndMailbox {
  /** `is_running` of the status row. */
  readonly isRunning: boolean;
  /** Null when these credentials were never used. */
  readonly mailbox: Mailbox | null;
}

// $1 credential fingerprint
const FIND_WITH_FLAG = statement(
  `
select s.is_running, m.id, m.email_address, m.failure_count, m.next_poll_at,
       coalesce(m.id is not null and is_poll_due(m), false) as is_due,
       is_backing_off(m) as is_backing_off, may_ignore_backoff(m) as may_ignore_backoff
from email_monitor_status s
left join mailboxes m on m.credential_fingerprint = $1::text
where s.id = 1`,
  {
    ...MAILBOX_COLUMNS,
    is_running: 'boolean',
    id: 'integer?',
    email_address: 'text?',
    failure_count: 'integer?',
  },
);

/**
 * What every run asks first: whether it may run at all, and for which mailbox.
 *
 * @throws {AppError} schema_outdated when the status row is missing
 */
export async function readRunningFlagAndMailbox(
  db: Queryable,
  fingerprint: string,
): Promise<RunningFlagAndMailbox> {
  const { rows } = await db.query(FIND_WITH_FLAG, [fingerprint]);
  const row = rows[0];
  if (row === undefined) throw new AppError('schema_outdated', 'The row of email_monitor_status is missing.');
  if (row.id === null) return { isRunning: row.is_running, mailbox: null };
  const mailbox = toMailbox({
    ...row,
    id: row.id,
    email_address: row.email_address ?? '',
    failure_count: row.failure_count ?? 0,
  });
  return { isRunning: row.is_running, mailbox };
}

const LIST = statement(
  `
select m.id, m.email_address, m.failure_count, m.next_poll_at, is_poll_due(m) as is_due,
       is_backing_off(m) as is_backing_off, may_ignore_backoff(m) as may_ignore_backoff
from mailboxes m
order by m.id`,
  MAILBOX_COLUMNS,
);

/** All that the database knows, oldest first. */
export async function listMailboxes(db: Queryable): Promise<Mailbox[]> {
  const { rows } = await db.query(LIST);
  return rows.map(toMailbox);
}

export interface RecordedHint {
  readonly mailboxId: number;
  /** The history id is newer than every one that a push announced before. */
  readonly isNewest: boolean;
  /** A listing has not shown it yet. */
  readonly isUnseen: boolean;
}

// One plain update: a join with a locked read of the same row lets concurrent pushes lock each other out (SQLSTATE 40P01).
// hint_at is the time of this transaction exactly when the hint was raised.
// $1 email address, $2 history id
const RECORD_HINT = statement(
  `
update mailboxes m
set hint_history_id = greatest(m.hint_history_id, $2::numeric),
    hint_at = case when coalesce($2::numeric > m.hint_history_id, true) then now() else m.hint_at end,
    pushed_at = now()
where m.email_address = $1::text
returning m.id, m.hint_at = now() as is_newest, has_newer_hint(m) as is_unseen`,
  { id: 'integer', is_newest: 'boolean', is_unseen: 'boolean' },
);

/**
 * Keeps the newest history id that a push announced. May run twice; an older hint changes nothing.
 *
 * @returns null when no mailbox has this address
 */
export async function recordHint(
  db: Queryable,
  hint: { readonly emailAddress: string; readonly historyId: string },
): Promise<RecordedHint | null> {
  const { rows } = await db.query(RECORD_HINT, [hint.emailAddress.toLowerCase(), hint.historyId]);
  const row = rows[0];
  if (row === undefined) return null;
  return { mailboxId: row.id, isNewest: row.is_newest, isUnseen: row.is_unseen };
}

// $1 mailbox id
const HAS_NEWER_HINT = statement(
  'select has_newer_hint(m) as has_newer_hint from mailboxes m where m.id = $1::integer',
  { has_newer_hint: 'boolean' },
);

/** A push has announced something that no listing has shown. */
export async function hasNewerHint(db: Queryable, mailboxId: number): Promise<boolean> {
  const { rows } = await db.query(HAS_NEWER_HINT, [mailboxId]);
  return rows[0]?.has_newer_hint ?? false;
}

// $1 mailbox id, $2 history id
const HINT_STATE = statement(
  `
select coalesce(hint_history_id <= $2::numeric, true) as is_newest, last_error_code
from mailboxes
where id = $1::integer`,
  { is_newest: 'boolean', last_error_code: 'text?' },
);

/** Whether a hint still has to be served: no newer one is stored. And the error of the last run, null when it went well. */
export async function readHintState(
  db: Queryable,
  mailboxId: number,
  historyId: string,
): Promise<{ readonly isNewest: boolean; readonly lastErrorCode: string | null }> {
  const { rows } = await db.query(HINT_STATE, [mailboxId, historyId]);
  return { isNewest: rows[0]?.is_newest ?? false, lastErrorCode: rows[0]?.last_error_code ?? null };
}

function toMailbox(row: MailboxRow): Mailbox {
  return {
    id: row.id,
    emailAddress: row.email_address,
    failureCount: row.failure_count,
    nextPollAt: row.next_poll_at,
    isDue: row.is_due,
    isBackingOff: row.is_backing_off,
    mayIgnoreBackoff: row.may_ignore_backoff,
  };
}
