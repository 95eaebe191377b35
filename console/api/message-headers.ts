/** Adds to messages what Gmail says about them. The answer does not wait for more than a few seconds and a few calls. */
import type { Deadline } from '../../shared/deadline.ts';
import { remediationForMessage, titleFor } from '../../shared/errors.ts';
import type { HeadersRead, MessageHeaders } from '../../shared/ingest/message-lookup.ts';
import type { ErrorInfo } from '../../shared/schemas/fields.ts';
import type { Message } from '../../shared/schemas/messages.ts';
import { type GmailAccess, toErrorInfo } from './gmail-access.ts';
import type { CurrentMailbox, LedgerMessage } from './message-queries.ts';

/** 500 units: a twelfth of what Gmail allows per minute. */
const MAX_CALLS = 25;

/** A message of the ledger, or an id that only Gmail knows. */
export type FoundMessage = LedgerMessage | string;

export interface MessagesWithHeaders {
  readonly messages: Message[];
  /** Why headers are missing; null when Gmail answered. */
  readonly error: ErrorInfo | null;
}

/**
 * Never fails: messages without headers have the reason.
 *
 * @param gmail null: Gmail is not asked
 * @param deadline null only without Gmail
 */
export async function withHeaders(
  gmail: GmailAccess | null,
  found: readonly FoundMessage[],
  deadline: Deadline | null,
): Promise<MessagesWithHeaders> {
  const own = found.filter((one) => isOf(one, gmail?.mailbox ?? null)).map(gmailIdOf);
  const read =
    gmail === null || deadline === null
      ? null
      : await gmail.lookup.readHeaders(gmail.mailbox.id, own, { deadline, maxCalls: MAX_CALLS });
  return {
    messages: found.map((one) => {
      const mailbox = gmail?.mailbox ?? null;
      const missing = reasonFor(one, mailbox, read);
      const headers = read?.byId.get(gmailIdOf(one));
      return typeof one === 'string'
        ? unknownMessage(one, mailbox, headers, missing)
        : ledgerMessage(one, headers, missing);
    }),
    error: read?.error == null ? null : toErrorInfo(read.error),
  };
}

function gmailIdOf(one: FoundMessage): string {
  return typeof one === 'string' ? one : one.gmail_message_id;
}

function isOf(one: FoundMessage, mailbox: CurrentMailbox | null): boolean {
  return mailbox !== null && (typeof one === 'string' || one.mailbox_id === mailbox.id);
}

type Missing = Message['headers_missing'];
type Headers = MessageHeaders | 'gone' | undefined;

function reasonFor(one: FoundMessage, mailbox: CurrentMailbox | null, read: HeadersRead | null): Missing {
  const headers = read?.byId.get(gmailIdOf(one));
  if (mailbox === null || read === null) return 'not_asked';
  if (!isOf(one, mailbox)) return 'other_mailbox';
  if (headers === 'gone') return 'gone';
  if (headers !== undefined) return null;
  return read.notAsked.has(gmailIdOf(one)) ? 'not_asked' : 'failed';
}

function toMessageHeaders(headers: Headers): Message['headers'] {
  if (headers === undefined || headers === 'gone') return null;
  const { from, messageId, receivedAt, subject, to } = headers;
  return { from, to, subject, message_id: messageId, received_at: receivedAt };
}

function ledgerMessage(row: LedgerMessage, headers: Headers, missing: Missing): Message {
  const { erased_at: erasedAt, id, mailbox_id: _, ...rest } = row;
  const isDead = row.state === 'dead';
  const isFailing =
    row.state === 'pending'
      ? row.error_code !== null && row.last_attempt_at !== null
      : isDead && row.given_up_at === null;
  return {
    ...rest,
    ledger_id: id,
    // Safe: a stored message is listed only when it was erased, and a check constraint limits the other values.
    state: erasedAt === null ? (row.state as Message['state']) : 'erased',
    resolved_at: erasedAt ?? row.resolved_at,
    is_failing: isFailing,
    error_title: titleFor(row.error_code),
    remediation: isFailing || isDead ? remediationForMessage(row.error_code, isDead) : null,
    headers: toMessageHeaders(headers),
    headers_missing: missing,
  };
}

function unknownMessage(
  gmailMessageId: string,
  mailbox: CurrentMailbox | null,
  headers: Headers,
  missing: Missing,
): Message {
  return {
    ledger_id: null,
    gmail_message_id: gmailMessageId,
    email_address: mailbox?.email_address ?? '',
    state: 'unknown',
    is_failing: false,
    is_claimed: false,
    ignored_rule: expectedRule(headers, mailbox),
    attempt_count: 0,
    last_attempt_at: null,
    next_attempt_at: null,
    error_code: null,
    error_title: null,
    error_detail: null,
    remediation: null,
    discovered_at: null,
    resolved_at: null,
    given_up_at: null,
    headers: toMessageHeaders(headers),
    headers_missing: missing,
  };
}

const RULE_OF_LABEL = { DRAFT: 'draft', CHAT: 'chat', SPAM: 'spam', TRASH: 'trash' } as const;

/** Why the monitor may never enter a message: it is older than the first start, or its labels exclude it. */
function expectedRule(headers: Headers, mailbox: CurrentMailbox | null): string | null {
  if (headers === undefined || headers === 'gone' || mailbox === null) return null;
  for (const [label, rule] of Object.entries(RULE_OF_LABEL))
    if (headers.labelIds.includes(label)) return rule;
  if (headers.labelIds.includes('SENT') && !headers.labelIds.includes('INBOX')) return 'sent';
  const isOlder = headers.receivedAt !== null && headers.receivedAt < mailbox.created_at;
  return isOlder ? 'before_start' : null;
}
