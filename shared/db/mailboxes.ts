/** The mailbox row for runs: its identity, and whether a poll is due. */
import { AppError } from '../errors.ts';
import type { Queryable } from './database.ts';
import { type CamelCase, camelCase } from './rows.ts';
import { type RowOf, statement } from './statement.ts';

export interface Mailbox {
  readonly id: number;
  readonly emailAddress: string;
  readonly failureCount: number;
  readonly nextPollAt: Date | null;
  /** A scheduled poll is due: see the SQL function `is_poll_due`. */
  readonly isDue: boolean;
  /** The last run failed, and its backoff is not over. */
  readonly isBackingOff: boolean;
  /** A push announced newer history, and the last run began at least ten seconds ago. */
  readonly mayIgnoreBackoff: boolean;
  /** Database time of the begin; null before the first run. */
  readonly lastRunAt: Date | null;
}

const MAILBOX_COLUMNS = {
  id: 'integer',
  email_address: 'text',
  failure_count: 'integer',
  next_poll_at: 'timestamp with time zone?',
  is_due: 'boolean',
  is_backing_off: 'boolean',
  may_ignore_backoff: 'boolean',
  last_run_at: 'timestamp with time zone?',
} as const;

// $1 credential fingerprint
const FIND = statement(
  `
select m.id, m.email_address, m.failure_count, m.next_poll_at, is_poll_due(m) as is_due,
       is_backing_off(m) as is_backing_off, may_ignore_backoff(m) as may_ignore_backoff, m.last_run_at
from mailboxes m
where m.credential_fingerprint = $1::text`,
  MAILBOX_COLUMNS,
);

/** Returns the mailbox of these credentials; null when they were never used. */
export async function findMailbox(db: Queryable, fingerprint: string): Promise<Mailbox | null> {
  const { rows } = await db.query(FIND, [fingerprint]);
  const row = rows[0];
  return row === undefined ? null : camelCase(row);
}

export interface RunningFlagAndMailbox {
  /** `is_running` of the status row. */
  readonly isRunning: boolean;
  /** Null when Gmail has not answered for this mailbox, or not with these credentials. */
  readonly mailbox: Mailbox | null;
  /** An operator paused this mailbox. */
  readonly isPaused: boolean;
  /** The outbox of the mailbox has rows. */
  readonly hasUnpublished: boolean;
}

export interface FirstMailbox extends RunningFlagAndMailbox {
  /** The status row names these credentials. */
  readonly areCredentialsRecorded: boolean;
}

/** Without a mailbox, the columns of the mailbox row are null. */
const FLAG_COLUMNS = {
  is_running: 'boolean',
  ...MAILBOX_COLUMNS,
  id: 'integer?',
  email_address: 'text?',
  failure_count: 'integer?',
  is_paused: 'boolean',
  has_unpublished: 'boolean',
} as const;

// $1 credential fingerprint
const FIND_WITH_FLAG = statement(
  `
select s.is_running, coalesce(s.credential_fingerprint = $1::text, false) as are_credentials_recorded,
       m.id, m.email_address, m.failure_count, m.next_poll_at,
       coalesce(m.id is not null and is_poll_due(m), false) as is_due,
       is_backing_off(m) as is_backing_off, may_ignore_backoff(m) as may_ignore_backoff, m.last_run_at,
       coalesce(p.is_paused, false) as is_paused,
       exists (
         select 1
         from email_outbox o
         where o.mailbox_id = m.id
       ) as has_unpublished
from email_monitor_status s
left join mailboxes m on m.credential_fingerprint = $1::text
left join mailbox_settings p on p.mailbox_id = m.id
where s.id = 1`,
  { are_credentials_recorded: 'boolean', ...FLAG_COLUMNS },
);

/**
 * Returns whether the monitor is running, and the mailbox of the credentials. The first query of every run of the first mailbox.
 *
 * @throws {AppError} schema_outdated when the status row is missing
 */
export async function readRunningFlagAndMailbox(db: Queryable, fingerprint: string): Promise<FirstMailbox> {
  const { rows } = await db.query(FIND_WITH_FLAG, [fingerprint]);
  const row = rows[0];
  if (row === undefined) throw new AppError('schema_outdated', 'The row of email_monitor_status is missing.');
  const { areCredentialsRecorded, ...columns } = camelCase(row);
  return { ...withMailbox(columns), areCredentialsRecorded };
}

export interface AddedMailboxState extends RunningFlagAndMailbox {
  /** The mailbox row names this access. */
  readonly isKnownAccess: boolean;
  /** While `mailbox` is null: it may be asked again, because the wait after the last failure is over. */
  readonly isAttemptDue: boolean;
}

// $1 mailbox settings id, $2 fingerprint of the access or null
// No row: the mailbox was removed.
const FIND_ADDED = statement(
  `
select s.is_running, coalesce(m.credential_fingerprint = $2::text, false) as is_known_access,
       coalesce(a.next_attempt_at <= now(), true) as is_attempt_due,
       m.id, m.email_address, m.failure_count, m.next_poll_at,
       coalesce(m.id is not null and is_poll_due(m), false) as is_due,
       is_backing_off(m) as is_backing_off, may_ignore_backoff(m) as may_ignore_backoff, m.last_run_at, a.is_paused,
       exists (
         select 1
         from email_outbox o
         where o.mailbox_id = m.id
       ) as has_unpublished
from mailbox_settings a
join email_monitor_status s on s.id = 1
left join mailboxes m on m.id = a.mailbox_id
where a.id = $1::integer`,
  { is_known_access: 'boolean', is_attempt_due: 'boolean', ...FLAG_COLUMNS },
);

/**
 * The same for an added mailbox.
 *
 * @param fingerprint of its access; null while the access cannot be read
 * @returns null when the mailbox was removed
 */
export async function readAddedMailbox(
  db: Queryable,
  settingsId: number,
  fingerprint: string | null,
): Promise<AddedMailboxState | null> {
  const { rows } = await db.query(FIND_ADDED, [settingsId, fingerprint]);
  const row = rows[0];
  if (row === undefined) return null;
  const { isAttemptDue, isKnownAccess, ...columns } = camelCase(row);
  return { ...withMailbox(columns), isKnownAccess, isAttemptDue };
}

function withMailbox({
  hasUnpublished,
  isPaused,
  isRunning,
  ...row
}: CamelCase<RowOf<typeof FLAG_COLUMNS>>): RunningFlagAndMailbox {
  const { emailAddress, failureCount, id } = row;
  const mailbox =
    id === null ? null : { ...row, id, emailAddress: emailAddress ?? '', failureCount: failureCount ?? 0 };
  return { isRunning, mailbox, isPaused, hasUnpublished };
}

const LIST = statement(
  `
select m.id, m.email_address, m.failure_count, m.next_poll_at, is_poll_due(m) as is_due,
       is_backing_off(m) as is_backing_off, may_ignore_backoff(m) as may_ignore_backoff, m.last_run_at
from mailboxes m
order by m.id`,
  MAILBOX_COLUMNS,
);

/** Returns all mailboxes, oldest first. */
export async function listMailboxes(db: Queryable): Promise<Mailbox[]> {
  const { rows } = await db.query(LIST);
  return rows.map(camelCase);
}
