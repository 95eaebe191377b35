/**
 * The one error class of the system. All rooms throw `AppError`; the function skeleton and the ingest loop turn it
 * into an HTTP answer, a log severity and a state by the table of `error-catalogue.ts` alone.
 * What must stay true: a detail never holds mail content or a secret.
 */
import { ERRORS, type Retry, type Severity } from './error-catalogue.ts';

export type { Retry, Severity };

/** The name of a fault: stored in the ledger and the run record, shown in answers and logs. */
export type ErrorCode = keyof typeof ERRORS;

/**
 * The one error class.
 *
 * @param code what happened, by the catalogue
 * @param detail what was being done and what came back; safe to show and to log
 */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  /** From a Retry-After header, null when the other side named no time. */
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
}

/** Any thrown thing as an `AppError`; what is not mapped becomes `internal`, without its message (it may quote data). */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const name = error instanceof Error ? error.name : typeof error;
  return new AppError('internal', `Unexpected ${name}.`, { cause: error });
}

/**
 * Where an unexpected fault came from, for the log; null for every other. Only the stack, not its first line: the
 * message may quote a value.
 */
export function stackOf(error: AppError): string | null {
  if (error.code !== 'internal' || !(error.cause instanceof Error)) return null;
  const frames = error.cause.stack?.split('\n').filter((line) => line.startsWith('    at '));
  return frames?.join('\n') ?? null;
}

/** The remediation for a stored error code, null for an unknown one (a row written by other code). */
export function remediationFor(code: string | null): string | null {
  return code !== null && Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode].remediation : null;
}

const DATABASE_CODES: readonly string[] = [
  'database_unavailable',
  'database_denied',
  'schema_outdated',
  'schema_incompatible',
] satisfies ErrorCode[];

/** True when the database as a whole fails, whatever the statement. */
export function isDatabaseError(code: string): boolean {
  return DATABASE_CODES.includes(code);
}

/** What the operator has to repair, by the code of an error that holds for the whole mailbox. */
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
  label_missing: 'access_denied',
} as const satisfies Partial<Record<ErrorCode, 'reauth_required' | 'access_denied'>>;

export type OperatorErrorCode = keyof typeof OPERATOR_STATES;

/** True when the mailbox cannot be read until the operator acts, whatever message is asked for. */
export function requiresOperator(code: string | null): code is OperatorErrorCode {
  return code !== null && Object.hasOwn(OPERATOR_STATES, code);
}

/** The state of a mailbox whose calls end with this code. */
export function operatorState(code: OperatorErrorCode): 'reauth_required' | 'access_denied' {
  return OPERATOR_STATES[code];
}

/**
 * What to do about a message that cannot be fetched or stored. Never that there is nothing to do.
 *
 * @param code of its last failure, null when unknown
 * @param isDead it is tried once a day only
 */
export function remediationForMessage(code: string | null, isDead: boolean): string {
  const known = remediationFor(code);
  // Of a run it is true that it is tried again; a message that keeps failing needs more.
  if (known !== null && !/nothing to do|it is tried again/i.test(known)) return known;
  return isDead
    ? 'Retry it, or give it up; until then it is tried once a day for 14 days. If it fails again, look at the error detail and at the log lines of its Gmail id.'
    : 'It is tried again at its next attempt, and is dead after eight. If it keeps failing, look at the error detail and at the Google Workspace status page.';
}
