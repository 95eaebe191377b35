/**
 * Maps an error response of Gmail to an `AppError`, by method, status and Google's reason. The text of the response is
 * never passed on, because it may quote mail content.
 * Invariant: only an error body from Google can mean that access is denied or that a message or the history is gone.
 * Anything else, such as the page of a proxy, counts as an outage.
 * Source: https://developers.google.com/workspace/gmail/api/guides/handle-errors
 */
import * as z from 'zod/mini';
import { AppError, type ErrorCode } from '../errors.ts';
import type { GmailMethod } from './quota-costs.ts';

const CONCURRENCY_REASON = 'concurrentLimitExceeded';

const RATE_REASONS: ReadonlySet<string | null> = new Set([
  'rateLimitExceeded',
  'userRateLimitExceeded',
  'RATE_LIMIT_EXCEEDED',
  'quotaExceeded',
  CONCURRENCY_REASON,
]);

/** Reasons of a 403 that apply to the whole mailbox, whichever method is called. */
const MAILBOX_DENIED_REASONS: ReadonlySet<string | null> = new Set([
  'accessNotConfigured',
  'SERVICE_DISABLED',
  'ACCESS_TOKEN_SCOPE_INSUFFICIENT',
  'insufficientPermissions',
  'domainPolicy',
  'delegationDenied',
  'authError',
]);

/** General reasons of a 403: on a list they are about the mailbox, on `messages.get` about the message. */
const GENERAL_DENIED_REASONS: ReadonlySet<string | null> = new Set(['forbidden', 'PERMISSION_DENIED']);

/** @returns an error with the method, status and reason word as its text, and Retry-After, however long */
export function toGmailError(method: GmailMethod, answer: FailedAnswer): AppError {
  const error = withConcurrencyReason(readGoogleError(answer.body));
  const detail = `${method}: ${answer.status}${error?.reason ? ` ${error.reason}` : ''}.`;
  return new AppError(codeOf(method, answer.status, error), detail, {
    retryAfterMs: parseRetryAfter(answer.retryAfter),
  });
}

/** True when Gmail limited the number of calls in flight, not the units. */
export function isConcurrencyLimit({ code, message }: AppError): boolean {
  return code === 'gmail_rate_limited' && message.endsWith(` ${CONCURRENCY_REASON}.`);
}

/** The error of a call without a complete, valid answer: refused, reset, timed out, truncated, not JSON, wrong form. */
export function noAnswer(what: string, problem: string, cause?: unknown): AppError {
  return new AppError('gmail_unavailable', `${what}: ${problem}.`, { cause });
}

function codeOf(method: GmailMethod, status: number, error: GoogleError | null): ErrorCode {
  if (error === null) return status === 429 ? 'gmail_rate_limited' : 'gmail_unavailable';
  if (status === 401) return 'reauth_required';
  if (status === 403 || status === 429) {
    // The daily limit can carry the reason of the limit per minute. Then only the text distinguishes them.
    if (error.reason === 'dailyLimitExceeded' || /\bper day\b/i.test(error.message))
      return 'gmail_daily_limit';
    if (status === 429 || RATE_REASONS.has(error.reason)) return 'gmail_rate_limited';
  }
  if (status === 408 || status < 400 || status >= 500) return 'gmail_unavailable';
  // Every method answers this for an account without a licence or a suspended one.
  if (/^mail service not enabled\b/i.test(error.message)) return 'mail_service_disabled';
  if (status === 403 && MAILBOX_DENIED_REASONS.has(error.reason)) return 'gmail_denied';
  if (method === 'users.watch') return codeOfWatch(status, error);
  if (method === 'users.messages.get') return status === 404 ? 'message_gone' : 'gmail_refused';
  if (status === 403) return GENERAL_DENIED_REASONS.has(error.reason) ? 'gmail_denied' : 'gmail_unavailable';
  if (status === 404 && method === 'users.history.list') return 'history_expired';
  // An account without a mailbox gives this answer to every method; a single message gives it temporarily.
  return error.reason === 'failedPrecondition' ? 'gmail_denied' : 'gmail_refused';
}

/** Apart from the scope and the API, only the topic and another watch of the client can be wrong. */
function codeOfWatch(status: number, error: GoogleError): ErrorCode {
  if (/^only one user push notification client\b/i.test(error.message)) return 'watch_conflict';
  if (status === 403) return 'watch_denied';
  return status === 400 || status === 404 ? 'watch_topic_wrong' : 'gmail_refused';
}

/** Gmail reports a concurrency limit with the reason of an exceeded quota. Only the text distinguishes them. */
function withConcurrencyReason(error: GoogleError | null): GoogleError | null {
  return error !== null && /^too many concurrent requests\b/i.test(error.message)
    ? { ...error, reason: CONCURRENCY_REASON }
    : error;
}

/** An error response as received. */
export interface FailedAnswer {
  readonly status: number;
  /** The start of the body, as text. */
  readonly body: string;
  /** The Retry-After header. */
  readonly retryAfter: string | null;
}

export interface GoogleError {
  /** Google's most specific reason; null when it is not a single word. */
  readonly reason: string | null;
  /** Only for comparison with known texts; never logged, stored or shown. */
  readonly message: string;
}

const googleError = z.object({
  error: z.object({
    status: z.optional(z.string()),
    message: z.optional(z.string()),
    errors: z.optional(z.array(z.object({ reason: z.optional(z.string()) }))),
    details: z.optional(z.array(z.object({ reason: z.optional(z.string()) }))),
  }),
});

/** @returns null for a body that is not a Google error: the page of a proxy, other JSON, an empty body */
export function readGoogleError(body: string): GoogleError | null {
  const parsed = googleError.safeParse(fromJson(body));
  if (!parsed.success) return null;
  const { errors, details, status, message } = parsed.data.error;
  const reason = errors?.[0]?.reason ?? details?.find((detail) => detail.reason)?.reason ?? status;
  return { reason: asWord(reason), message: message ?? '' };
}

/** @returns undefined when the body is not JSON */
export function fromJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** Returns the text if it is a single word, which is safe to show; null otherwise. */
export function asWord(text: string | undefined): string | null {
  return text !== undefined && /^[A-Za-z_]{1,60}$/.test(text) ? text : null;
}

/**
 * @param header Retry-After: seconds or a date
 * @returns milliseconds from now; null without a usable value
 * @see https://datatracker.ietf.org/doc/html/rfc9110#section-10.2.3
 */
export function parseRetryAfter(header: string | null): number | null {
  if (header === null) return null;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? ms : null;
}
