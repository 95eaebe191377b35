/**
 * Records who read which email, in the table `email_accesses` and in the log.
 * Invariant: no content of an email is sent before its row is committed. When the row cannot be written, the request fails.
 */
import { callerOf } from '../../shared/caller.ts';
import type { AppContext } from '../../shared/control/app-context.ts';
import { statement } from '../../shared/db/statement.ts';
import type { HttpRequest } from '../../shared/http.ts';
import type { Log } from '../../shared/log.ts';

export interface EmailAccess {
  readonly action: 'open' | 'html' | 'raw' | 'attachment';
  readonly emailId: number;
  /** For the action `attachment` only. */
  readonly attachmentId?: number;
}

// $1 account text, $2 email id int, $3 action text, $4 attachment id int or null
const INSERT = statement(
  `
insert into email_accesses (account, email_id, action, attachment_id)
values ($1::text, $2::integer, $3::text, $4::integer)`,
  {},
);

/** @throws {AppError} database_unavailable, database_denied */
export async function recordAccess(
  { config, db }: AppContext,
  request: HttpRequest,
  log: Log,
  { action, attachmentId, emailId }: EmailAccess,
): Promise<void> {
  const account = callerOf(request, config.cloudRunService !== null);
  await db.query(INSERT, [account, emailId, action, attachmentId ?? null]);
  const isKnown = account !== 'unknown';
  const message = isKnown ? 'Served an email' : 'Served an email to a caller without an identity token';
  log.write(isKnown ? 'INFO' : 'WARNING', 'email_accessed', message, {
    account,
    action,
    email_id: emailId,
    attachment_id: attachmentId ?? null,
  });
}
