/**
 * What PostgreSQL and the way to it can answer, as our faults. Messages of the server are not passed on where
 * they may quote a value (class 22 and 23): a value is mail content.
 *
 * SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
import { AppError } from '../errors.ts';

/** Undefined table, undefined column, undefined function: the code expects a newer schema. */
const SCHEMA = new Set(['42P01', '42703', '42883', '3F000']);

/** Insufficient privilege, and a login that is refused: the account is at fault, not what it asks for. */
const DENIED = new Set(['42501', '28000', '28P01']);

/** The server said no to the value, and would say so again. */
const REFUSED_CLASSES = new Set(['22', '23', '54']);

const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'ETIMEDOUT',
  'ENOENT',
  'EAI_AGAIN',
]);

export function fromPgError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const code = codeOf(error);
  const options = { cause: error };
  if (SCHEMA.has(code)) {
    return new AppError(
      'schema_outdated',
      `PostgreSQL misses a table or column (SQLSTATE ${code}).`,
      options,
    );
  }
  if (DENIED.has(code)) {
    return new AppError('database_denied', `PostgreSQL denies this account (SQLSTATE ${code}).`, options);
  }
  if (REFUSED_CLASSES.has(code.slice(0, 2))) {
    return new AppError('unstorable', `PostgreSQL refuses a value (SQLSTATE ${code}).`, options);
  }
  return new AppError(
    'database_unavailable',
    `PostgreSQL: ${code === '' ? shortMessage(error) : code}.`,
    options,
  );
}

/** True when the connection, not the statement, is at fault: it was not sent, or nobody knows what became of it. */
export function isConnectionError(error: unknown): boolean {
  const code = codeOf(error);
  if (CONNECTION_CODES.has(code) || code.startsWith('08') || code.startsWith('57P')) return true;
  return (
    code === '' &&
    error instanceof Error &&
    /connection (terminated|ended|closed)|not queryable/i.test(error.message)
  );
}

/** True when the server ended the statement because it took longer than it may. */
export function isTimeout(error: unknown): boolean {
  return codeOf(error) === '57014';
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}

function shortMessage(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, 120) : 'unknown fault';
}
