/**
 * Maps error responses of a delegation to an `AppError`: those of the IAM Credentials API, which signs, and those of the
 * token endpoint, which knows the Workspace domain. No description of Google's is passed on.
 * Source: https://developers.google.com/identity/protocols/oauth2/service-account#jwterrorcodes
 */
import { AppError, type ErrorCode } from '../errors.ts';
import { type FailedAnswer, parseRetryAfter, readGoogleError } from './gmail-error.ts';
import { readTokenError } from './token-error.ts';

const DISABLED_API_REASONS: ReadonlySet<string | null> = new Set(['SERVICE_DISABLED', 'accessNotConfigured']);
const RATE_REASONS: ReadonlySet<string | null> = new Set([
  'RATE_LIMIT_EXCEEDED',
  'rateLimitExceeded',
  'quotaExceeded',
]);

/** The error of a call to the IAM Credentials API. */
export function toSigningError(answer: FailedAnswer): AppError {
  const error = readGoogleError(answer.body);
  const detail = `IAM signJwt: ${answer.status}${error?.reason ? ` ${error.reason}` : ''}.`;
  const code = error === null ? 'gmail_unavailable' : signingCode(answer.status, error.reason);
  return new AppError(code, detail, { retryAfterMs: parseRetryAfter(answer.retryAfter) });
}

/** Google answers 403 for an account that does not exist, too, unless the caller may see it. */
function signingCode(status: number, reason: string | null): ErrorCode {
  if (status === 401) return 'google_credentials_missing';
  if (status === 403 && DISABLED_API_REASONS.has(reason)) return 'delegation_api_disabled';
  if (status === 403 && !RATE_REASONS.has(reason)) return 'delegation_signing_denied';
  return status === 400 || status === 404 ? 'delegation_account_missing' : 'gmail_unavailable';
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  unauthorized_client: 'delegation_not_allowed',
  access_denied: 'delegation_not_allowed',
  invalid_scope: 'delegation_not_allowed',
  admin_policy_enforced: 'delegation_not_allowed',
  org_internal: 'delegation_not_allowed',
  invalid_client: 'delegation_account_missing',
  deleted_client: 'delegation_account_missing',
  disabled_client: 'delegation_account_missing',
  invalid_grant: 'mailbox_not_found',
};

/** The error of the exchange at the token endpoint. */
export function toDelegationError(answer: FailedAnswer): AppError {
  const { description, detail, isTemporary, reason, retryAfterMs } = readTokenError(answer);
  // The signature or the clock, not the mailbox: Google signs, so a later attempt works.
  const isInvalidJwt = reason === 'invalid_grant' && /^invalid jwt\b/i.test(description);
  const code = isTemporary || isInvalidJwt ? 'gmail_unavailable' : (CODES[reason ?? ''] ?? 'gmail_denied');
  return new AppError(code, isInvalidJwt ? `${detail} Google rejected the time or signature.` : detail, {
    retryAfterMs,
  });
}
