/**
 * What Gmail and its token endpoint answer when they do not answer, mapped once to our faults.
 * Only the method, the status and Google's reason word are passed on: texts of an answer may quote mail.
 *
 * Source: https://developers.google.com/workspace/gmail/api/guides/handle-errors
 */
import * as z from 'zod/mini';
import { AppError, type ErrorCode } from '../errors.ts';
import type { GmailMethod } from './prices.ts';

export interface FailedAnswer {
  readonly status: number;
  /** The start of the body, as text. */
  readonly body: string;
  /** The Retry-After header. */
  readonly retryAfter: string | null;
}

const googleError = z.object({
  error: z.object({
    status: z.optional(z.string()),
    message: z.optional(z.string()),
    errors: z.optional(z.array(z.object({ reason: z.optional(z.string()) }))),
    details: z.optional(z.array(z.object({ reason: z.optional(z.string()) }))),
  }),
});
const oauthError = z.object({ error: z.string() });

/** Of Google's two ways of saying it, the one that is a word. */
const CONCURRENCY = 'concurrentLimitExceeded';

const RATE_REASONS = new Set([
  'rateLimitExceeded',
  'userRateLimitExceeded',
  'RATE_LIMIT_EXCEEDED',
  'quotaExceeded',
  'dailyLimitExceeded',
  CONCURRENCY,
]);

/** Reasons of a 403 that hold for the whole mailbox, whatever is asked for. */
const DENIED_REASONS = new Set([
  'accessNotConfigured',
  'SERVICE_DISABLED',
  'ACCESS_TOKEN_SCOPE_INSUFFICIENT',
  'insufficientPermissions',
  'domainPolicy',
  'delegationDenied',
  'authError',
]);

/** Refusals of the token endpoint that say nothing about the client. */
const PASSING_TOKEN_REASONS = new Set([
  'internal_failure',
  'rate_limit_exceeded',
  'server_error',
  'slow_down',
  'temporarily_unavailable',
]);

export function fromGmailAnswer(method: GmailMethod, answer: FailedAnswer): AppError {
  const reason = reasonOf(answer.body);
  const detail = `${method}: ${answer.status}${reason === null ? '' : ` ${reason}`}.`;
  return new AppError(codeOf(method, answer.status, reason), detail, {
    retryAfterMs: parseRetryAfter(answer.retryAfter),
  });
}

/** Gmail refused the call for the number of those in flight, not for units. */
export function isForConcurrency({ code, message }: AppError): boolean {
  return code === 'gmail_rate_limited' && message.endsWith(` ${CONCURRENCY}.`);
}

function codeOf(method: GmailMethod, status: number, reason: string | null): ErrorCode {
  if (method === 'users.watch') {
    // The topic is the only thing that a watch can have wrong; a scope or an API that is missing has its own reason.
    if (status === 403 && !(reason !== null && (RATE_REASONS.has(reason) || DENIED_REASONS.has(reason)))) {
      return 'watch_denied';
    }
    if (status === 400 || status === 404) return 'watch_topic_wrong';
  }
  const ofOneMessage = method === 'users.messages.get';
  if (status === 401) return 'reauth_required';
  if (status === 429) return 'gmail_rate_limited';
  if (status === 403) {
    if (reason !== null && RATE_REASONS.has(reason)) return 'gmail_rate_limited';
    return ofOneMessage && !(reason !== null && DENIED_REASONS.has(reason))
      ? 'gmail_refused'
      : 'gmail_denied';
  }
  if (status === 404) {
    if (ofOneMessage) return 'message_gone';
    return method === 'users.history.list' ? 'history_expired' : 'gmail_refused';
  }
  if (status === 408 || status >= 500) return 'gmail_unavailable';
  // An account without a mailbox answers so to everything; a single message does so for a while.
  if (reason === 'failedPrecondition' && !ofOneMessage) return 'gmail_denied';
  return 'gmail_refused';
}

/** Answers of the token endpoint. https://datatracker.ietf.org/doc/html/rfc6749#section-5.2 */
export function fromTokenAnswer(status: number, body: unknown): AppError {
  const parsed = oauthError.safeParse(body);
  const reason = parsed.success ? word(parsed.data.error) : null;
  const detail = `OAuth token: ${status}${reason === null ? '' : ` ${reason}`}.`;
  if (reason === 'invalid_grant') return new AppError('reauth_required', detail);
  const isRefusal = status === 400 || status === 401 || status === 403;
  // Without a word of OAuth it is not the token endpoint that speaks, but something on the way to it.
  const isFinal = isRefusal && reason !== null && !PASSING_TOKEN_REASONS.has(reason);
  return new AppError(isFinal ? 'bad_client' : 'gmail_unavailable', detail);
}

/** The call brought no whole answer: refused, reset, timed out, cut, not JSON, not of the expected form. */
export function noAnswer(what: string, problem: string, cause?: unknown): AppError {
  return new AppError('gmail_unavailable', `${what}: ${problem}.`, { cause });
}

/** Google's reason word: the specific one where there is one. */
function reasonOf(body: string): string | null {
  try {
    const parsed = googleError.safeParse(JSON.parse(body));
    if (!parsed.success) return null;
    const { errors, details, status, message } = parsed.data.error;
    // Its reason word is that of a spent budget; only the text tells them apart. The text itself is not passed on.
    if (/^too many concurrent requests\b/i.test(message ?? '')) return CONCURRENCY;
    return word(errors?.[0]?.reason ?? details?.find((d) => d.reason)?.reason ?? status);
  } catch {
    return null;
  }
}

function word(text: string | undefined): string | null {
  return text !== undefined && /^[A-Za-z_]{1,60}$/.test(text) ? text : null;
}

/** Seconds or a date. https://datatracker.ietf.org/doc/html/rfc9110#section-10.2.3 */
function parseRetryAfter(header: string | null): number | null {
  if (header === null) return null;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? ms : null;
}
