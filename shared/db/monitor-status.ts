/** The singleton row of the hand-over note, in email_monitor_status: `is_running` flag, last poll, last error, counter. */
import { AppError } from '../errors.ts';
import type { Queryable } from './database.ts';
import { camelCase, type RowOfStatement } from './rows.ts';
import { statement } from './statement.ts';

const READ = statement(
  `
select now() as read_at, is_running, last_poll_at, started_at, updated_at, last_error, last_error_code, emails_processed_total,
       credential_fingerprint
from email_monitor_status
where id = 1`,
  {
    /** Time of the read. All times here are database times. */
    read_at: 'timestamp with time zone',
    is_running: 'boolean',
    last_poll_at: 'timestamp with time zone?',
    /** When the `is_running` flag last became true; null: unknown. */
    started_at: 'timestamp with time zone?',
    /** When the `is_running` flag was set or a run ended. */
    updated_at: 'timestamp with time zone',
    last_error: 'text?',
    last_error_code: 'text?',
    /** Emails stored since the first start. */
    emails_processed_total: 'integer',
    /** The credentials that the functions hold, as the last one recorded them; null when it held none. */
    credential_fingerprint: 'text?',
  },
);

export type MonitorStatus = RowOfStatement<typeof READ>;

/** @throws {AppError} schema_outdated when the row is missing */
export async function readMonitorStatus(db: Queryable): Promise<MonitorStatus> {
  const { rows } = await db.query(READ);
  if (rows[0] === undefined)
    throw new AppError('schema_outdated', 'The row of email_monitor_status is missing.');
  return camelCase(rows[0]);
}

/** May run twice: only a change updates the times. */
export async function setRunning(db: Queryable, isRunning: boolean): Promise<void> {
  await db.query(
    `update email_monitor_status
     set is_running = $1::boolean,
         started_at = case when $1::boolean then now() else started_at end,
         updated_at = now()
     where id = 1
       and is_running <> $1::boolean`,
    [isRunning],
  );
}

/**
 * Records which credentials the calling function holds, for functions that hold none. Writes only a change, which also ends the
 * last error: it belongs to the former credentials. May run twice.
 *
 * @param fingerprint null: it should hold credentials, but has none
 */
export async function recordCredentials(db: Queryable, fingerprint: string | null): Promise<void> {
  await db.query(
    `update email_monitor_status
     set credential_fingerprint = $1::text,
         last_error_code = null,
         last_error = null
     where id = 1
       and credential_fingerprint is distinct from $1::text`,
    [fingerprint],
  );
}

/**
 * Records the error of a run that failed before it knew its mailbox, or of a `start` that could not identify the first mailbox or
 * not resolve its label. The end of the next run replaces it. May run twice.
 */
export async function recordMonitorError(
  db: Queryable,
  { code, message, title }: AppError,
  { isRun }: { readonly isRun: boolean },
): Promise<void> {
  await db.query(
    `update email_monitor_status
     set last_poll_at = case when $3::boolean then now() else last_poll_at end,
         last_error_code = $1::text,
         last_error = $2::text,
         updated_at = now()
     where id = 1`,
    [code, `${title}: ${message}`, isRun],
  );
}

/** Removes the errors that a `start` disproves when it identifies the mailbox and resolves its label. May run twice. */
export async function clearStartErrors(db: Queryable): Promise<void> {
  await db.query(
    `update email_monitor_status
     set last_error_code = null,
         last_error = null
     where id = 1
       and last_error_code in ('label_missing', 'account_unconfirmed', 'account_added')`,
  );
}
