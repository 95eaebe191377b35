/**
 * Gmail for the routes about messages: loaded at the first request that needs it, and kept while the credentials stay the same.
 * Why Gmail cannot be asked is part of the answer, because the ledger still knows much.
 */
import type { AppContext } from '../../shared/control/app-context.ts';
import { assertConfigured } from '../../shared/control/running-flag.ts';
import { credentialFingerprint } from '../../shared/credentials.ts';
import { statement } from '../../shared/db/statement.ts';
import type { Deadline } from '../../shared/deadline.ts';
import { type AppError, remediationFor, toAppError } from '../../shared/errors.ts';
import type { MessageLookup } from '../../shared/lookup/message-lookup.ts';
import type { ErrorInfo } from '../../shared/schemas/fields.ts';

// $1 credential fingerprint text
const MAILBOX = statement(
  `
select id, email_address, created_at
from mailboxes
where credential_fingerprint = $1::text`,
  { id: 'integer', email_address: 'text', created_at: 'timestamp with time zone' },
);

/** `created_at`: when the monitor first reached the mailbox. */
export type CurrentMailbox = NonNullable<(typeof MAILBOX)['row']>;

export interface GmailAccess {
  readonly lookup: MessageLookup;
  /** The mailbox of the credentials. */
  readonly mailbox: CurrentMailbox;
  /** Its refresh token is in a secret of its own, so `npm run authorize` needs its address. */
  readonly hasOwnSecret: boolean;
  /** Of all calls for one request. */
  readonly deadline: Deadline;
}

/** Either the access, or why there is none. */
export type OpenedGmail =
  | { readonly access: GmailAccess; readonly error: null }
  | { readonly access: null; readonly error: ErrorInfo };

/** A context lives as long as its credentials. */
const lookups = new WeakMap<AppContext, Promise<MessageLookup | null>>();

/** @throws {AppError} an error of the database */
export async function openGmail(context: AppContext, timeoutMs: number): Promise<OpenedGmail> {
  try {
    assertConfigured(context.config);
  } catch (error) {
    return { access: null, error: toErrorInfo(toAppError(error)) };
  }
  const loading = lookups.get(context) ?? load(context);
  lookups.set(context, loading);
  const { gmail } = context.config;
  const [lookup, mailboxes] = await Promise.all([
    loading,
    gmail === null ? null : context.db.query(MAILBOX, [credentialFingerprint(gmail)]),
  ]);
  const mailbox = mailboxes?.rows[0];
  if (lookup !== null && mailbox !== undefined)
    return {
      access: { lookup, mailbox, hasOwnSecret: false, deadline: lookup.deadlineAfter(timeoutMs) },
      error: null,
    };
  return {
    access: null,
    error: {
      code: 'account_unconfirmed',
      detail: 'No run has reached a mailbox with these credentials yet.',
      remediation: 'Press “Poll now”. If an account must be confirmed first, the answer says how.',
    },
  };
}

async function load(context: AppContext): Promise<MessageLookup | null> {
  const { MessageLookup } = await import('../../shared/lookup/message-lookup.ts');
  return MessageLookup.create(context);
}

/** The remediations of these errors are about runs, which try again on their own. */
const TRY_AGAIN: Readonly<Record<string, string>> = {
  out_of_time:
    'Try again in a minute: Gmail answers slowly. If it lasts, check the Google Workspace status page.',
  quota_used_up: 'Try again in a minute. The runs of the monitor use the quota of the mailbox.',
  gmail_rate_limited: 'Try again in a minute. The monitor and other clients use the quota of the mailbox.',
  gmail_unavailable: 'Try again in a minute. If it lasts, check the Google Workspace status page.',
  internal: 'Try again. If it lasts, search the log for this request.',
};

/** @param access that has the error; the commands of the remediation name its mailbox if it has its own secret */
export function toErrorInfo(error: AppError, access: GmailAccess | null = null): ErrorInfo {
  const owner = access?.hasOwnSecret === true ? access.mailbox.email_address : null;
  return {
    code: error.code,
    detail: `${error.title}: ${error.message}`,
    remediation: TRY_AGAIN[error.code] ?? remediationFor(error.code, owner),
  };
}

/** The error of the first of these mailboxes, with its address and the number of the others. */
export function withMailboxes(error: ErrorInfo, addresses: readonly string[]): ErrorInfo {
  const others = addresses.length === 1 ? '' : ` and ${addresses.length - 1} more`;
  return { ...error, detail: `${addresses[0]}${others}: ${error.detail}` };
}
