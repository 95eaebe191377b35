/**
 * Records who read which email, in the table `email_accesses` and in the log. A list shows sender, subject and file names of
 * its emails, or sender and subject of messages that are not stored. The log alone records it, because the page lists emails at
 * each change and each pause in typing.
 * Invariant: no content of an email is sent before its row is committed. When the row cannot be written, the request fails.
 */
import type { AppContext } from '../../shared/control/app-context.ts';
import { statement } from '../../shared/db/statement.ts';
import type { HttpRequest } from '../../shared/http.ts';
import type { Log, LogFields } from '../../shared/log.ts';
import type { Message } from '../../shared/schemas/messages.ts';

export interface EmailAccess {
  readonly action: 'open' | 'html' | 'raw' | 'attachment' | 'preview' | 'files' | 'reprocess';
  readonly emailId: number;
  /** For the actions `attachment` and `preview` only. */
  readonly attachmentId?: number;
}

// $1 account text, $2 email id int, $3 action text, $4 attachment id int or null
const INSERT = statement(`
insert into email_accesses (account, email_id, action, attachment_id)
values ($1::text, $2::integer, $3::text, $4::integer)`);

/** @throws {AppError} database_unavailable, database_denied */
export async function recordAccess(
  { db }: AppContext,
  request: HttpRequest,
  log: Log,
  { action, attachmentId, emailId }: EmailAccess,
): Promise<void> {
  const account = accountOf(request);
  await db.query(INSERT, [account, emailId, action, attachmentId ?? null]);
  writeLine(log, account, 'email_accessed', 'Served an email', {
    action,
    email_id: emailId,
    attachment_id: attachmentId ?? null,
  });
}

/** Call before the list is sent. The words of a search are email content, and are not logged. */
export function recordList(
  request: HttpRequest,
  log: Log,
  { emailIds, isSearch }: { readonly emailIds: readonly number[]; readonly isSearch: boolean },
): void {
  writeLine(log, accountOf(request), 'emails_listed', 'Served a list of emails', {
    is_search: isSearch,
    email_count: emailIds.length,
    email_ids: emailIds.join(),
  });
}

/** Call before the list is sent. The Gmail ids of messages that are not stored; only those whose headers are shown. */
export function recordMessageList(
  request: HttpRequest,
  log: Log,
  { messages, isSearch }: { readonly messages: readonly Message[]; readonly isSearch: boolean },
): void {
  const shown = messages.filter(({ headers }) => headers !== null);
  writeLine(log, accountOf(request), 'messages_listed', 'Served a list of messages that are not stored', {
    is_search: isSearch,
    message_count: shown.length,
    gmail_message_ids: shown.map((message) => message.gmail_message_id).join(),
  });
}

function accountOf({ account }: HttpRequest): string {
  return account ?? 'unknown';
}

function writeLine(
  log: Log,
  account: string,
  event: 'email_accessed' | 'emails_listed' | 'messages_listed',
  message: string,
  fields: LogFields,
): void {
  if (account !== 'unknown') log.info(event, message, { account, ...fields });
  else
    log.write('WARNING', event, `${message} to a caller without an identity token`, { account, ...fields });
}
