/** The mailbox row for runs: its identity, and whether a run is due. */
import { AppError } from '../errors.ts';
import type { Queryable } from './database.ts';
import { type CamelCase, camelCase } from './rows.ts';
import { type RowOf, statement } from './statement.ts';

const MAILBOX_COLUMNS = { id: 'integer', email_address: 'text' } as const;
export type Mailbox = CamelCase<RowOf<typeof MAILBOX_COLUMNS>>;

// $1 credential fingerprint
const FIND = statement(
  `
select id, email_address
from mailboxes
where credential_fingerprint = $1::text`,
  MAILBOX_COLUMNS,
);

/** Returns the mailbox of these credentials; null when they were never used. */
export async function findMailbox(db: Queryable, fingerprint: string): Promise<Mailbox | null> {
  const { rows } = await db.query(FIND, [fingerprint]);
  return rows[0] === undefined ? null : camelCase(rows[0]);
}

const LIST = statement('select id, email_address from mailboxes order by id', MAILBOX_COLUMNS);

/** Returns all mailboxes, oldest first. */
export async function listMailboxes(db: Queryable): Promise<Mailbox[]> {
  const { rows } = await db.query(LIST);
  return rows.map(camelCase);
}

const STATE = `f.is_running, m.id, m.email_address, coalesce(m.id is not null and is_poll_due(m), false) as is_poll_due,
       not is_backing_off(m) or may_ignore_backoff(m) as is_push_due, m.last_run_at,
       coalesce(s.is_paused, false) as is_paused,
       exists (
         select 1
         from email_outbox o
         where o.mailbox_id = m.id
       ) as has_unpublished`;

/** Without a mailbox, the columns of the mailbox row are null. */
const STATE_COLUMNS = {
  /** `is_running` of the status row. */
  is_running: 'boolean',
  id: 'integer?',
  email_address: 'text?',
  /** A scheduled run is due: see the SQL function `is_poll_due`. */
  is_poll_due: 'boolean',
  /** A push may run: no backoff lasts, or the push announced newer history and the last run began at least ten seconds ago. */
  is_push_due: 'boolean',
  /** Database time of the begin; null before the first run. */
  last_run_at: 'timestamp with time zone?',
  /** An operator paused this mailbox. */
  is_paused: 'boolean',
  /** The outbox of the mailbox has rows. */
  has_unpublished: 'boolean',
} as const;

type StateRow = CamelCase<RowOf<typeof STATE_COLUMNS>>;

/** A mailbox as a run finds it. */
export type MailboxState = Mailbox & Pick<StateRow, 'isPollDue' | 'isPushDue' | 'lastRunAt'>;

/** What decides whether a run of a mailbox begins. */
export interface RunState extends Pick<StateRow, 'isRunning' | 'isPaused' | 'hasUnpublished'> {
  /** Null when Gmail has not answered for this mailbox, or not with these credentials. */
  readonly mailbox: MailboxState | null;
}

export interface FirstMailboxState extends RunState {
  /** The status row names these credentials. */
  readonly areCredentialsRecorded: boolean;
}

// $1 credential fingerprint
const READ_FIRST = statement(
  `
select coalesce(f.credential_fingerprint = $1::text, false) as are_credentials_recorded,
       ${STATE}
from email_monitor_status f
left join mailboxes m on m.credential_fingerprint = $1::text
left join mailbox_settings s on s.mailbox_id = m.id
where f.id = 1`,
  { are_credentials_recorded: 'boolean', ...STATE_COLUMNS },
);

/**
 * Returns whether the monitor is running, and the mailbox of the credentials. The first query of every run of the first mailbox.
 *
 * @throws {AppError} schema_outdated when the status row is missing
 */
export async function readFirstMailbox(db: Queryable, fingerprint: string): Promise<FirstMailboxState> {
  const { rows } = await db.query(READ_FIRST, [fingerprint]);
  const row = rows[0];
  if (row === undefined) throw new AppError('schema_outdated', 'The row of email_monitor_status is missing.');
  const { areCredentialsRecorded, ...columns } = camelCase(row);
  return { ...toState(columns), areCredentialsRecorded };
}

export interface AddedMailboxState extends RunState {
  /** The mailbox row names this access. */
  readonly isKnownAccess: boolean;
  /** While `mailbox` is null: it may be asked again, because the wait after the last failure is over. */
  readonly isAttemptDue: boolean;
}

// $1 mailbox settings id, $2 fingerprint of the access or null
// No row: the mailbox was removed.
const READ_ADDED = statement(
  `
select coalesce(m.credential_fingerprint = $2::text, false) as is_known_access,
       coalesce(s.next_attempt_at <= now(), true) as is_attempt_due,
       ${STATE}
from mailbox_settings s
join email_monitor_status f on f.id = 1
left join mailboxes m on m.id = s.mailbox_id
where s.id = $1::integer`,
  { is_known_access: 'boolean', is_attempt_due: 'boolean', ...STATE_COLUMNS },
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
  const { rows } = await db.query(READ_ADDED, [settingsId, fingerprint]);
  if (rows[0] === undefined) return null;
  const { isAttemptDue, isKnownAccess, ...columns } = camelCase(rows[0]);
  return { ...toState(columns), isKnownAccess, isAttemptDue };
}

function toState({ id, emailAddress, isPollDue, isPushDue, lastRunAt, ...state }: StateRow): RunState {
  const mailbox =
    id === null || emailAddress === null ? null : { id, emailAddress, isPollDue, isPushDue, lastRunAt };
  return { ...state, mailbox };
}
