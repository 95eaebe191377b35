/**
 * Gmail for the routes about messages: loaded at the first request that needs it, and kept while the credentials stay the same.
 * Why Gmail cannot be asked is part of the answer, because the ledger still knows much.
 */
import type { AppContext } from '../../shared/control/app-context.ts';
import { assertConfigured } from '../../shared/control/running-flag.ts';
import { credentialFingerprint } from '../../shared/credentials.ts';
import { type AppError, toAppError } from '../../shared/errors.ts';
import type { MessageLookup } from '../../shared/ingest/message-lookup.ts';
import type { ErrorInfo } from '../../shared/schemas/fields.ts';
import { type CurrentMailbox, findCurrentMailbox } from './message-queries.ts';

export interface GmailAccess {
  readonly lookup: MessageLookup;
  readonly mailbox: CurrentMailbox;
}

/** A context lives as long as its credentials. */
const lookups = new WeakMap<AppContext, Promise<MessageLookup | null>>();

/** @returns the access, or why there is none @throws {AppError} an error of the database */
export async function openGmail(context: AppContext): Promise<GmailAccess | { readonly error: ErrorInfo }> {
  try {
    assertConfigured(context.config);
  } catch (error) {
    return { error: toErrorInfo(toAppError(error)) };
  }
  const loading = lookups.get(context) ?? load(context);
  lookups.set(context, loading);
  const { gmail } = context.config;
  const [lookup, mailbox] = await Promise.all([
    loading,
    gmail === null ? null : findCurrentMailbox(context.db, credentialFingerprint(gmail)),
  ]);
  if (lookup !== null && mailbox !== null) return { lookup, mailbox };
  return {
    error: {
      code: 'account_unconfirmed',
      detail: 'No run has reached a mailbox with these credentials yet.',
      remediation: 'Press “Poll now”. If an account must be confirmed first, the answer says how.',
    },
  };
}

async function load(context: AppContext): Promise<MessageLookup | null> {
  const { MessageLookup } = await import('../../shared/ingest/message-lookup.ts');
  return MessageLookup.create(context);
}

/** The remediations of these errors are about runs, which try again on their own. */
const TRY_AGAIN: Readonly<Record<string, string>> = {
  out_of_time:
    'Try again in a minute. The runs of the monitor use the quota of the mailbox, or Gmail answers slowly.',
  gmail_rate_limited: 'Try again in a minute. The monitor and other clients use the quota of the mailbox.',
  gmail_unavailable: 'Try again in a minute. If it lasts, check the Google Workspace status page.',
  internal: 'Try again. If it lasts, search the log for this request.',
};

export function toErrorInfo(error: AppError): ErrorInfo {
  return {
    code: error.code,
    detail: `${error.title}: ${error.message}`,
    remediation: TRY_AGAIN[error.code] ?? error.remediation,
  };
}
