/** The singleton row that the owner's note names: the switch, the last poll, the last error, the counter. */
import { AppError } from '../errors.ts';
import type { Queryable } from './database.ts';

export interface MonitorStatus {
  /** When this was read, by the clock that all the other times here are of. */
  readonly readAt: Date;
  readonly isRunning: boolean;
  readonly lastPollAt: Date | null;
  /** The switch was turned or a cycle ended. */
  readonly updatedAt: Date;
  readonly lastError: string | null;
  readonly lastErrorCode: string | null;
  /** Emails fetched and stored since the beginning. */
  readonly emailsProcessedTotal: number;
}

/** @throws {AppError} schema_outdated when the row is missing */
export async function readMonitorStatus(db: Queryable): Promise<MonitorStatus> {
  const { rows } = await db.query<{
    read_at: Date;
    is_running: boolean;
    last_poll_at: Date | null;
    updated_at: Date;
    last_error: string | null;
    last_error_code: string | null;
    emails_processed_total: number;
  }>(
    `select now() as read_at, is_running, updated_at, last_poll_at, last_error, last_error_code, emails_processed_total
     from email_monitor_status
     where id = 1`,
  );
  const row = rows[0];
  if (row === undefined) throw new AppError('schema_outdated', 'The row of email_monitor_status is missing.');
  return {
    readAt: row.read_at,
    isRunning: row.is_running,
    lastPollAt: row.last_poll_at,
    updatedAt: row.updated_at,
    lastError: row.last_error,
    lastErrorCode: row.last_error_code,
    emailsProcessedTotal: row.emails_processed_total,
  };
}

/** May run twice. */
export async function setRunning(db: Queryable, isRunning: boolean): Promise<void> {
  await db.query(
    `update email_monitor_status
     set is_running = $1::boolean,
         updated_at = now()
     where id = 1`,
    [isRunning],
  );
}

/** A cycle ended; null error: it went well. */
export async function recordPoll(
  db: Queryable,
  error: { readonly code: string; readonly detail: string } | null,
): Promise<void> {
  await db.query(
    `update email_monitor_status
     set last_poll_at = now(),
         last_error_code = $1::text,
         last_error = $2::text,
         updated_at = now()
     where id = 1`,
    [error?.code ?? null, error?.detail ?? null],
  );
}

/** The credentials reach no mailbox: there is no mailbox row to say so. */
export async function recordIdentificationError(
  db: Queryable,
  error: { readonly code: string; readonly detail: string },
): Promise<void> {
  await db.query(
    `update email_monitor_status
     set last_error_code = $1::text,
         last_error = $2::text,
         updated_at = now()
     where id = 1`,
    [error.code, error.detail],
  );
}
