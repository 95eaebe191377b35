/** The mailbox row for runs and pushes: its identity, whether a poll is due, and the hint of the last push. */
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

export interface RecordedHint {
  readonly mailboxId: number;
  /** The history id is newer than all that earlier pushes announced. */
  readonly isNewest: boolean;
  /** No listing has shown it yet. */
  readonly isUnseen: boolean;
  /** Whose credentials reach the mailbox; `removed`: neither the environment nor an added mailbox has it. */
  readonly owner: 'first' | 'added' | 'removed';
}

// One plain update, because joining a locked read of the same row makes concurrent pushes deadlock (SQLSTATE 40P01). hint_at is
// the time of this transaction exactly when the hint was raised.
// A mailbox without settings is removed when the credentials of the environment have another mailbox.
// $1 email address, $2 history id, $3 fingerprint of the first mailbox or null
const RECORD_HINT = statement(
  `
update mailboxes m
set hint_history_id = greatest(m.hint_history_id, $2::numeric),
    hint_at = case when coalesce($2::numeric > m.hint_history_id, true) then now() else m.hint_at end,
    pushed_at = now()
where m.email_address = $1::text
returning m.id, m.hint_at = now() as is_newest, has_newer_hint(m) as is_unseen,
          exists (
            select 1
            from mailbox_settings a
            where a.mailbox_id = m.id
              and a.access <> 'environment'
          ) as is_added,
          m.credential_fingerprint is distinct from $3::text
            and exists (
              select 1
              from mailboxes f
              where f.credential_fingerprint = $3::text
            ) as is_foreign`,
  {
    id: 'integer',
    is_newest: 'boolean',
    is_unseen: 'boolean',
    is_added: 'boolean',
    is_foreign: 'boolean',
  },
);

/**
 * Stores the newest history id that a push announced. May run twice; an older hint changes only `pushed_at`.
 *
 * @param firstFingerprint of the credentials of the environment
 * @returns null when no mailbox has this address
 */
export async function recordHint(
  db: Queryable,
  hint: { readonly emailAddress: string; readonly historyId: string },
  firstFingerprint: string | null = null,
): Promise<RecordedHint | null> {
  const { rows } = await db.query(RECORD_HINT, [
    hint.emailAddress.toLowerCase(),
    hint.historyId,
    firstFingerprint,
  ]);
  const row = rows[0];
  if (row === undefined) return null;
  const owner = row.is_added ? 'added' : row.is_foreign ? 'removed' : 'first';
  return { mailboxId: row.id, isNewest: row.is_newest, isUnseen: row.is_unseen, owner };
}

// $1 mailbox id
const HAS_NEWER_HINT = statement(
  'select has_newer_hint(m) as has_newer_hint from mailboxes m where m.id = $1::integer',
  { has_newer_hint: 'boolean' },
);

/** Returns whether a push has announced history that no listing has shown. */
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

/** Returns whether no newer hint is stored, and the error code of the last run, null when it succeeded. */
export async function readHintState(
  db: Queryable,
  mailboxId: number,
  historyId: string,
): Promise<{ readonly isNewest: boolean; readonly lastErrorCode: string | null }> {
  const { rows } = await db.query(HINT_STATE, [mailboxId, historyId]);
  return { isNewest: rows[0]?.is_newest ?? false, lastErrorCode: rows[0]?.last_error_code ?? null };
}
