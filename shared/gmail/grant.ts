/** The answer of Google's token endpoint, and what reads it: a refresh token and a delegation get the same one. */
import * as z from 'zod/mini';
import type { Deadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import { type FailedAnswer, fromJson, noAnswer } from './gmail-error.ts';

/** Invariant: a refresh ends within this time, because later calls join it. */
export const TOKEN_TIMEOUT_MS = 15_000;
/** A token that expires within this time is renewed first. A longer time would renew short-lived tokens at every call. */
export const EAGER_REFRESH_MS = 30_000;

const grantSchema = z.object({
  access_token: z.string().check(z.minLength(1)),
  expires_in: z.optional(z.coerce.number()),
  /** Granted scopes, separated by spaces. Only the doctor reads this and the next field, so a bad value is ignored. */
  scope: z.catch(z.optional(z.string()), undefined),
  /** Seconds; only for OAuth clients in status "Testing". */
  refresh_token_expires_in: z.catch(z.optional(z.number()), undefined),
});
export type Grant = z.output<typeof grantSchema>;

/** Null for Google's. */
export interface TokenUrls {
  readonly tokenUrl: string | null;
  /** Of the IAM Credentials API, which signs for a delegation. Ends in a slash. */
  readonly iamRootUrl?: string | null;
}

export interface AccessTokens {
  /** The last answer of the token endpoint; null before the first. */
  readonly grant: Grant | null;
  /**
   * Returns a token that is valid by our clock; concurrent calls share one refresh.
   *
   * @throws {AppError} any code of `requiresOperator`, gmail_unavailable; out_of_time when the deadline is sooner
   */
  getToken(deadline: Deadline): Promise<string>;
  /** Gmail rejected this token: the next call gets another. Does nothing when it is already replaced. */
  invalidateToken(rejected: string): void;
}

/**
 * @param toError makes the error of an answer without success
 * @throws {AppError} the one of `toError`; gmail_unavailable for an answer without a token
 */
export function readGrant(answer: FailedAnswer, toError: (answer: FailedAnswer) => AppError): Grant {
  if (answer.status < 200 || answer.status > 299) throw toError(answer);
  const parsed = grantSchema.safeParse(fromJson(answer.body));
  if (!parsed.success) throw noAnswer('OAuth token', 'an answer without a token');
  return parsed.data;
}

export function outOfTime(): AppError {
  return new AppError('out_of_time', 'OAuth token: no time left.');
}
