/**
 * The one error class of the system, and what follows from an error code. HTTP status, retry, log severity and
 * remediation come from `error-catalogue.ts` alone.
 * Invariant: the detail of an error never holds mail content or a secret.
 */
import { ERRORS, type Retry, type Severity } from './error-catalogue.ts';
import { withMailbox } from './operator-commands.ts';
import type { AdviceAction } from './schemas/actions.ts';

export type { Retry, Severity };

/** The name of an error: stored in the ledger and the run record, shown in responses and logs. */
export type ErrorCode = keyof typeof ERRORS;

/**
 * @param code what happened, a key of the catalogue
 * @param detail what was being done and what was returned; safe to show and to log
 */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  /** From a Retry-After header; null when there was none. */
  readonly retryAfterMs: number | null;

  constructor(
    code: ErrorCode,
    detail: string,
    options: { readonly cause?: unknown; readonly retryAfterMs?: number | null } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }

  get title(): string {
    return ERRORS[this.code].title;
  }
  get retry(): Retry {
    return ERRORS[this.code].retry;
  }
  get status(): number {
    return ERRORS[this.code].status;
  }
  get severity(): Severity {
    return ERRORS[this.code].severity;
  }
  get remediation(): string {
    return ERRORS[this.code].remediation;
  }
  /** For a log line that reports the error. */
  get logFields() {
    return { error_code: this.code, detail: this.message, remediation: this.remediation };
  }
}

/** @returns an `AppError` as it is; anything else as `internal`, without its message, which may quote data */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const name = error instanceof Error ? error.name : typeof error;
  return new AppError('internal', `Unexpected ${name}.`, { cause: error });
}

/**
 * The stack of an unexpected error, for the log; null for any other error. The first line is left out, because the message
 * may quote a value.
 */
export function stackOf(error: AppError): string | null {
  if (error.code !== 'internal' || !(error.cause instanceof Error)) return null;
  const frames = error.cause.stack?.split('\n').filter((line) => line.startsWith('    at '));
  return frames?.join('\n') ?? null;
}

/** A remediation without its command, and the action that it asks for. Null when it needs none. */
export interface Remedy {
  readonly text: string;
  readonly action: AdviceAction | null;
}

/** The remediation of a stored error code for a client with buttons; null for an unknown code. */
export function remedyFor(code: string | null): Remedy | null {
  return code !== null && Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode] : null;
}

/**
 * The remediation for a stored error code; null for an unknown code, which another version wrote.
 *
 * @param address of the added mailbox that has the error; null when it is another one, or unknown
 */
export function remediationFor(code: string | null, address: string | null = null): string | null {
  if (code === null || !Object.hasOwn(ERRORS, code)) return null;
  const { remediation } = ERRORS[code as ErrorCode];
  return address === null ? remediation : withMailbox(remediation, address);
}

/** The title for a stored error code; null for an unknown code, which another version wrote. */
export function titleFor(code: string | null): string | null {
  return code !== null && Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode].title : null;
}

/** True when the work had to stop without a failure: no time is left, or no quota units before the time is up. */
export function isOutOfTime(code: string): boolean {
  return code === 'out_of_time' || code === 'quota_used_up';
}

const DATABASE_CODES: readonly string[] = [
  'database_unavailable',
  'database_denied',
  'database_credentials_missing',
  'database_login_failed',
  'schema_outdated',
  'schema_incompatible',
] satisfies ErrorCode[];

/** True when the database as a whole fails, not only one statement. */
export function isDatabaseError(code: string): boolean {
  return DATABASE_CODES.includes(code);
}

const BUCKET_CODES: readonly string[] = [
  'bucket_unavailable',
  'bucket_denied',
  'bucket_credentials_missing',
] satisfies ErrorCode[];

/** True when the bucket of large attachments fails. Messages without large bytes can still be stored. */
export function isBucketError(code: string): boolean {
  return BUCKET_CODES.includes(code);
}

/** Errors that block the whole mailbox until the operator acts, with the state that each leads to. */
const OPERATOR_STATES = {
  reauth_required: 'reauth_required',
  workspace_session_expired: 'reauth_required',
  bad_client: 'access_denied',
  deleted_client: 'access_denied',
  disabled_client: 'access_denied',
  admin_policy_enforced: 'access_denied',
  policy_enforced: 'access_denied',
  org_internal: 'access_denied',
  gmail_denied: 'access_denied',
  mail_service_disabled: 'access_denied',
  account_unconfirmed: 'access_denied',
  account_added: 'access_denied',
  label_missing: 'access_denied',
  wrong_account: 'access_denied',
  mailbox_secret_missing: 'reauth_required',
  mailbox_secret_unreadable: 'access_denied',
  delegation_not_configured: 'access_denied',
  delegation_not_allowed: 'access_denied',
  delegation_signing_denied: 'access_denied',
  delegation_account_missing: 'access_denied',
  delegation_api_disabled: 'access_denied',
  mailbox_not_found: 'access_denied',
  google_credentials_missing: 'access_denied',
} as const satisfies Partial<Record<ErrorCode, 'reauth_required' | 'access_denied'>>;

export type OperatorErrorCode = keyof typeof OPERATOR_STATES;

/** True when no message of the mailbox can be read until the operator acts. */
export function requiresOperator(code: string | null): code is OperatorErrorCode {
  return code !== null && Object.hasOwn(OPERATOR_STATES, code);
}

/** The state of a mailbox whose calls fail with this code. */
export function operatorState(code: OperatorErrorCode): 'reauth_required' | 'access_denied' {
  return OPERATOR_STATES[code];
}

/** Codes whose remediation says that a retry follows or that there is nothing to do. That is true of a run only. */
const RUN_ONLY_REMEDIATIONS: readonly string[] = [
  'gmail_rate_limited',
  'gmail_unavailable',
  'gmail_refused',
  'message_gone',
  'history_expired',
  'backing_off',
  'lease_lost',
  'out_of_time',
  'quota_used_up',
  'internal',
] satisfies ErrorCode[];

/** True when the remediation says that a retry follows or that there is nothing to do, which holds only while runs take place. */
export function hasRunOnlyRemediation(code: string): boolean {
  return RUN_ONLY_REMEDIATIONS.includes(code);
}

/**
 * What to do about a message that cannot be fetched or stored. Never says that there is nothing to do.
 *
 * @param code of the last failure; null when unknown
 * @param isDead true when the message is retried only once per day
 */
export function remediationForMessage(code: string | null, isDead: boolean): string {
  const known = remediationFor(code);
  if (code !== null && known !== null && !hasRunOnlyRemediation(code)) return known;
  return isDead
    ? 'Retry it, or give it up. While the monitor is on, it is also retried once per day for 14 days. If it fails again, check the error detail and the log lines with its Gmail id.'
    : 'It is retried at its next attempt, and becomes dead after eight failed attempts. If it keeps failing, check the error detail and the Google Workspace status page.';
}
