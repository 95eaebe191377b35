/**
 * Maps a refused Gmail call to an `AppError`, once, by method, status and Google's reason. The text of an answer is not
 * passed on: it may quote mail.
 * Invariant: only an error body of Google's can lock the mailbox out or declare a message or a history gone. Anything
 * else, such as the page of a proxy, counts as an outage.
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

/** Reasons of a 403 that hold for the whole mailbox, whatever method is called. */
const MAILBOX_DENIED_REASONS: ReadonlySet<string | null> = new Set([
  'accessNotConfigured',
  'SERVICE_DISABLED',
  'ACCESS_TOKEN_SCOPE_INSUFFICIENT',
  'insufficientPermissions',
  'domainPolicy',
  'delegationDenied',
  'authError',
]);

/** Reasons of a 403 that are general: about the mailbox on a list, about the message on `messages.get`. */
const GENERAL_DENIED_REASONS: ReadonlySet<string | null> = new Set(['forbidden', 'PERMISSION_DENIED']);

/** @returns an error whose text is method, status and reason word; it keeps Retry-After, however long that is */
export function toGmailError(method: GmailMethod, answer: FailedAnswer): AppError {
  const error = withConcurrency(readGoogleError(answer.body));
  const detail = `${method}: ${answer.status}${error?.reason ? ` ${error.reason}` : ''}.`;
  return new AppError(codeOf(method, answer.status, error), detail, {
    retryAfterMs: parseRetryAfter(answer.retryAfter),
  });
}

/** Gmail limited the number of calls in flight, not the units. */
export function isConcurrencyLimit({ code, message }: AppError): boolean {
  return code === 'gmail_rate_limited' && message.endsWith(` ${CONCURRENCY_REASON}.`);
}

/** The call brought no whole answer: refused, reset, timed out, cut, not JSON, not of the expected form. */
export function noAnswer(what: string, problem: string, cause?: unknown): AppError {
  return new AppError('gmail_unavailable', `${what}: ${problem}.`, { cause });
}

function codeOf(method: GmailMethod, status: number, error: GoogleError | null): ErrorCode {
  if (error === null) return status === 429 ? 'gmail_rate_limited' : 'gmail_unavailable';
  if (status === 401) return 'reauth_required';
  if (status === 403 || status === 429) {
    // The daily limit can have the reason of the limit per minute; then only the text tells them apart.
    if (error.reason === 'dailyLimitExceeded' || /\bper day\b/i.test(error.message))
      return 'gmail_daily_limit';
    if (status === 429 || RATE_REASONS.has(error.reason)) return 'gmail_rate_limited';
  }
  if (status === 408 || status < 400 || status >= 500) return 'gmail_unavailable';
  // An account without a licence, or a suspended one; every method answers so.
  if (/^mail service not enabled\b/i.test(error.message)) return 'mail_service_disabled';
  if (status === 403 && MAILBOX_DENIED_REASONS.has(error.reason)) return 'gmail_denied';
  if (method === 'users.watch') return codeOfWatch(status, error);
  if (method === 'users.messages.get') return status === 404 ? 'message_gone' : 'gmail_refused';
  if (status === 403) return GENERAL_DENIED_REASONS.has(error.reason) ? 'gmail_denied' : 'gmail_unavailable';
  if (status === 404 && method === 'users.history.list') return 'history_expired';
  // An account without a mailbox answers so to everything; a single message does so for a while.
  return error.reason === 'failedPrecondition' ? 'gmail_denied' : 'gmail_refused';
}

/** Beside the scope and the API only the topic and another watch of the client can be wrong. */
function codeOfWatch(status: number, error: GoogleError): ErrorCode {
  if (/^only one user push notification client\b/i.test(error.message)) return 'watch_conflict';
  if (status === 403) return 'watch_denied';
  return status === 400 || status === 404 ? 'watch_topic_wrong' : 'gmail_refused';
}

/** Gmail gives a limit on calls in flight the reason of a spent budget; only the text tells them apart. */
function withConcurrency(error: GoogleError | null): GoogleError | null {
  return error !== null && /^too many concurrent requests\b/i.test(error.message)
    ? { ...error, reason: CONCURRENCY_REASON }
    : error;
}

/** A refused call as it came over the wire. */
export interface FailedAnswer {
  readonly status: number;
  /** The start of the body, as text. */
  readonly body: string;
  /** The Retry-After header. */
  readonly retryAfter: string | null;
}

export interface GoogleError {
  /** Google's reason word, the most specific one there is; null when it is not a single word. */
  readonly reason: string | null;
  /** For comparison with known texts only; never logged, stored or shown. */
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

/** @returns null for a body that is not Google's error: a page of a proxy, other JSON, nothing */
export function readGoogleError(body: string): GoogleError | null {
  const parsed = googleError.safeParse(fromJson(body));
  if (!parsed.success) return null;
  const { errors, details, status, message } = parsed.data.error;
  const reason = errors?.[0]?.reason ?? details?.find((detail) => detail.reason)?.reason ?? status;
  return { reason: asWord(reason), message: message ?? '' };
}

/** @returns undefined for what is not JSON */
export function fromJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** Only a single word is safe to show. */
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
