/** Adds to messages what Gmail says about them. The answer does not wait for more than a few seconds and a few calls. */
import { remediationForMessage, titleFor } from '../../shared/errors.ts';
import type { HeadersRead, MessageHeaders } from '../../shared/lookup/message-lookup.ts';
import type { ErrorInfo } from '../../shared/schemas/fields.ts';
import type { Message } from '../../shared/schemas/messages.ts';
import { type CurrentMailbox, type GmailAccess, toErrorInfo, withMailboxes } from './gmail-access.ts';
import type { LedgerMessage } from './message-queries.ts';

/** 500 units: a twelfth of what Gmail allows per minute. */
const MAX_CALLS = 25;

/** A message that only Gmail knows. */
export interface UnknownMessage {
  readonly mailboxId: number;
  readonly gmailMessageId: string;
}

export type FoundMessage = LedgerMessage | UnknownMessage;

export function isUnknown(one: FoundMessage): one is UnknownMessage {
  return 'gmailMessageId' in one;
}

export function gmailIdOf(one: FoundMessage): string {
  return isUnknown(one) ? one.gmailMessageId : one.gmail_message_id;
}

export interface MessagesWithHeaders {
  readonly messages: Message[];
  /** Why headers are missing; null when Gmail answered. */
  readonly error: ErrorInfo | null;
}

/**
 * Never fails: messages without headers have the reason.
 *
 * @param accesses of the mailboxes whose Gmail is asked
 */
export async function withHeaders(
  accesses: readonly GmailAccess[],
  found: readonly FoundMessage[],
): Promise<MessagesWithHeaders> {
  const reads = await Promise.all(
    accesses.map(async (access) => ({ access, ...(await readHeaders(access, found)) })),
  );
  return {
    messages: found.map((one) => {
      const read = reads.find(({ access }) => access.mailbox.id === mailboxIdOf(one)) ?? null;
      const missing = reads.length === 0 ? 'not_asked' : reasonFor(one, read);
      const headers = read?.byId.get(gmailIdOf(one));
      return isUnknown(one)
        ? unknownMessage(one.gmailMessageId, read?.access.mailbox ?? null, headers, missing)
        : ledgerMessage(one, headers, missing);
    }),
    error: errorOf(reads),
  };
}

function errorOf(reads: readonly (HeadersRead & { readonly access: GmailAccess })[]): ErrorInfo | null {
  const failed = reads.filter(({ error }) => error !== null);
  const [first] = failed;
  if (first === undefined || first.error === null) return null;
  const error = toErrorInfo(first.error, first.access);
  if (reads.length === 1) return error;
  return withMailboxes(
    error,
    failed.map(({ access }) => access.mailbox.email_address),
  );
}

async function readHeaders(
  { deadline, lookup, mailbox }: GmailAccess,
  found: readonly FoundMessage[],
): Promise<HeadersRead> {
  const ids = found.filter((one) => mailboxIdOf(one) === mailbox.id).map(gmailIdOf);
  return await lookup.readHeaders(mailbox.id, ids, { deadline, maxCalls: MAX_CALLS });
}

function mailboxIdOf(one: FoundMessage): number {
  return isUnknown(one) ? one.mailboxId : one.mailbox_id;
}

type Missing = Message['headers_missing'];
type Headers = MessageHeaders | 'gone' | undefined;

function reasonFor(one: FoundMessage, read: HeadersRead | null): Missing {
  if (read === null) return 'other_mailbox';
  const headers = read.byId.get(gmailIdOf(one));
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
  const { id, mailbox_id: _, ...rest } = row;
  const isDead = row.state === 'dead';
  const isFailing =
    row.state === 'pending'
      ? row.error_code !== null && row.last_attempt_at !== null
      : isDead && row.given_up_at === null;
  return {
    ...rest,
    ledger_id: id,
    // Safe: stored messages are not listed, and a check constraint limits the other values.
    state: row.state as Message['state'],
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
