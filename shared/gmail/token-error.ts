/**
 * Maps an error response of Google's token endpoint to an `AppError`, by its error code and Google's subtype.
 * Sources: https://datatracker.ietf.org/doc/html/rfc6749#section-5.2
 *          https://developers.google.com/identity/protocols/oauth2/native-app#authorization-errors
 */
import * as z from 'zod/mini';
import { AppError, type ErrorCode } from '../errors.ts';
import { asWord, type FailedAnswer, fromJson, parseRetryAfter } from './gmail-error.ts';

const oauthError = z.object({
  error: z.string(),
  error_subtype: z.catch(z.optional(z.string()), undefined),
  error_description: z.catch(z.optional(z.string()), undefined),
});

const CODES: Readonly<Record<string, ErrorCode>> = {
  invalid_rapt: 'workspace_session_expired',
  rapt_required: 'workspace_session_expired',
  admin_policy_enforced: 'admin_policy_enforced',
  policy_enforced: 'policy_enforced',
  org_internal: 'org_internal',
  deleted_client: 'deleted_client',
  disabled_client: 'disabled_client',
  invalid_grant: 'reauth_required',
};

/** Errors of the token endpoint that may be temporary. */
const TRANSIENT_REASONS: ReadonlySet<string> = new Set([
  'internal_failure',
  'rate_limit_exceeded',
  'server_error',
  'slow_down',
  'temporarily_unavailable',
]);

export interface TokenError {
  /** Google's error code; null when the response is not an OAuth error. */
  readonly reason: string | null;
  /** More specific than the reason; usually null. */
  readonly subtype: string | null;
  /** Only for comparison with known texts; never logged, stored or shown. */
  readonly description: string;
  readonly isTemporary: boolean;
  /** The status and Google's error codes, never the description. */
  readonly detail: string;
  readonly retryAfterMs: number | null;
}

export function readTokenError({ body, retryAfter, status }: FailedAnswer): TokenError {
  const parsed = oauthError.safeParse(fromJson(body));
  const reason = parsed.success ? asWord(parsed.data.error) : null;
  const subtype = parsed.success ? subtypeOf(parsed.data) : null;
  const words = [reason, subtype].filter((word) => word !== null).join(' ');
  return {
    reason,
    subtype,
    description: (parsed.success && parsed.data.error_description) || '',
    // A response without an OAuth error comes not from the token endpoint but from something on the way to it.
    isTemporary:
      reason === null ||
      TRANSIENT_REASONS.has(reason) ||
      (status !== 400 && status !== 401 && status !== 403),
    detail: `OAuth token: ${status}${words === '' ? '' : ` ${words}`}.`,
    retryAfterMs: parseRetryAfter(retryAfter),
  };
}

/** @returns an error whose text is the status and Google's error codes, never the description */
export function toTokenError(answer: FailedAnswer): AppError {
  const { detail, isTemporary, reason, retryAfterMs, subtype } = readTokenError(answer);
  const known = CODES[subtype ?? ''] ?? CODES[reason ?? ''] ?? 'bad_client';
  return new AppError(isTemporary ? 'gmail_unavailable' : known, detail, { retryAfterMs });
}

/** Some responses name the missing reauthentication only in the description: "reauth related error (invalid_rapt)". */
function subtypeOf(error: z.output<typeof oauthError>): string | null {
  const described = /\b(?:invalid_rapt|rapt_required)\b/.exec(error.error_description ?? '')?.[0];
  return asWord(error.error_subtype) ?? described ?? null;
}
