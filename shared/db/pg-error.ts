/**
 * Maps errors of PostgreSQL and of its connection to AppError codes. Called by `database.ts` for every query.
 * Invariant: a detail never contains a server message that may quote a value (classes 22 and 23), because a value is mail
 * content.
 *
 * SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
import { AppError, type ErrorCode } from '../errors.ts';

/** Undefined table, column, function or schema: the code expects a newer schema. */
const SCHEMA = new Set(['42P01', '42703', '42883', '3F000']);

/** Another transaction did not release a lock in time. */
const LOCK_TIMEOUT = '55P03';

/** Insufficient privilege: the account is wrong, not the statement. */
export const DENIED = '42501';

/** Unknown user, wrong password, no rule for the host, or unknown database. The message names these settings only. */
const LOGIN_FAILED = new Set(['28000', '28P01', '3D000']);

/**
 * Data exception, constraint violation, program limit exceeded: the same values fail again. Codes without a rule here do not
 * depend on the values, for example 53100 (disk full), 53300 (too many connections), 55P03 (lock timeout), 57P01 (shutdown)
 * and 25006 (read-only).
 */
const UNSTORABLE_CLASSES = new Set(['22', '23', '54']);

/** The statement timeout, and out of memory. */
const TOO_HEAVY = new Set(['57014', '53200']);

const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'ETIMEDOUT',
  'ENOENT',
  'EAI_AGAIN',
]);

/** @returns `unstorable`, `schema_outdated`, `database_denied`, `database_login_failed`, else `database_unavailable` */
export function fromPgError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const [code, detail] = codeAndDetail(error);
  return new AppError(code, detail, { cause: error });
}

function codeAndDetail(error: unknown): [code: ErrorCode, detail: string] {
  const state = codeOf(error);
  const suffix = `(SQLSTATE ${state}).`;
  if (SCHEMA.has(state))
    return [
      'schema_outdated',
      `PostgreSQL does not have a table, column or function that this code uses ${suffix}`,
    ];
  if (state === DENIED) return ['database_denied', `PostgreSQL denied access ${suffix}`];
  if (LOGIN_FAILED.has(state)) return ['database_login_failed', `${shortMessage(error)} ${suffix}`];
  if (UNSTORABLE_CLASSES.has(state.slice(0, 2)))
    return ['unstorable', `PostgreSQL rejected a value ${suffix}`];
  if (state === LOCK_TIMEOUT) {
    const hint = 'The oldest xact_start in pg_stat_activity shows it.';
    return ['database_unavailable', `Another transaction holds a lock for too long ${suffix} ${hint}`];
  }
  return ['database_unavailable', `PostgreSQL: ${state === '' ? shortMessage(error) : state}.`];
}

/** True when the connection failed, not the statement: PostgreSQL did not receive it, or its result is unknown. */
export function isConnectionError(error: unknown): boolean {
  const code = codeOf(error);
  if (CONNECTION_CODES.has(code) || code.startsWith('08') || code.startsWith('57P')) return true;
  return (
    code === '' &&
    error instanceof Error &&
    /connection (terminated|ended|closed)|not queryable/i.test(error.message)
  );
}

/**
 * True when the server ended the statement because it ran too long or needed too much memory. Such an error is
 * `database_unavailable`, but if `select 1` works afterwards, the cause is what the statement stores.
 *
 * @param error an AppError of this module, or its cause
 */
export function isStatementTooHeavy(error: unknown): boolean {
  return TOO_HEAVY.has(sqlStateOf(error));
}

/**
 * True when the server ended the statement because of its statement timeout.
 *
 * @param error an AppError of this module, or its cause
 */
export function isStatementTimeout(error: unknown): boolean {
  return sqlStateOf(error) === '57014';
}

/** For an AppError, the code of its cause: its own code is not PostgreSQL's. */
export function sqlStateOf(error: unknown): string {
  return codeOf(error instanceof AppError ? error.cause : error);
}

/** The message of PostgreSQL. It may quote a value, unless one of our SQL functions raised the error. */
export function messageOf(error: unknown): string {
  return shortMessage(error instanceof AppError ? error.cause : error);
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}

function shortMessage(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, 120) : 'unknown error';
}
