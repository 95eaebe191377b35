/**
 * Access tokens of the mailbox by google-auth-library: OAuth 2 with a refresh token. Concurrent calls share one refresh.
 * Does not retry: the callers do, because they know the deadline.
 * Invariant: a refresh ends within 15 s, because later calls join it.
 * Source: https://developers.google.com/identity/protocols/oauth2/web-server#offline
 */
import type { gaxios } from 'google-auth-library';
import * as z from 'zod/mini';
import type { GmailCredentials } from '../credentials.ts';
import type { Deadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import { withTimeout } from '../timeout.ts';
import { fromJson, noAnswer } from './gmail-error.ts';
import { loadGoogleLibrary, REQUEST_OPTIONS, rootCause } from './google-library.ts';
import { toTokenError } from './token-error.ts';

const TOKEN_TIMEOUT_MS = 15_000;
/** A token that expires within this time is renewed first. A longer time would renew short-lived tokens at every call. */
const EAGER_REFRESH_MS = 30_000;

const grantSchema = z.object({
  access_token: z.string().check(z.minLength(1)),
  expires_in: z.optional(z.coerce.number()),
  /** Granted scopes, separated by spaces. Only the doctor reads this and the next field, so a bad value is ignored. */
  scope: z.catch(z.optional(z.string()), undefined),
  /** Seconds; only for OAuth clients in status "Testing". */
  refresh_token_expires_in: z.catch(z.optional(z.number()), undefined),
});
export type Grant = z.output<typeof grantSchema>;

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

/** @param tokenUrl null for Google's */
export async function createAccessTokens(
  { clientId, clientSecret, refreshToken }: GmailCredentials,
  tokenUrl: string | null,
): Promise<AccessTokens> {
  const { OAuth2Client } = await loadGoogleLibrary();
  let grant: Grant | null = null;
  const client = new OAuth2Client({
    clientId,
    clientSecret,
    credentials: { refresh_token: refreshToken },
    eagerRefreshThresholdMillis: EAGER_REFRESH_MS,
    ...(tokenUrl === null ? {} : { endpoints: { oauth2TokenUrl: tokenUrl } }),
    // Set here, because the library would otherwise choose its own agent before the interceptors run.
    transporterOptions: { agent: REQUEST_OPTIONS.agent },
    // The library's own interceptors can log whole responses, including tokens.
    useAuthRequestParameters: false,
  });
  const { interceptors } = client.transporter;
  interceptors.request.add({ resolved: async (request) => limitTokenRequest(request) });
  interceptors.response.add({
    resolved: async (response) => {
      grant = readGrant(response);
      // A copy, because the library changes the object.
      response.data = { ...grant };
      return response;
    },
    rejected: (error) => {
      throw noAnswer('OAuth token', 'no answer', rootCause(error));
    },
  });
  return {
    get grant() {
      return grant;
    },
    getToken: async (deadline) => {
      if (deadline.remainingMs() === 0) throw outOfTime();
      // The refresh continues after the timeout, because other calls may wait for it too.
      const { token } = await withTimeout(deadline.remainingMs(), client.getAccessToken(), outOfTime);
      if (!token) throw noAnswer('OAuth token', 'an answer without a token');
      return token;
    },
    invalidateToken: (rejected) => {
      if (client.credentials.access_token === rejected)
        client.setCredentials({ refresh_token: refreshToken });
    },
  };
}

function limitTokenRequest(request: gaxios.GaxiosOptionsPrepared): gaxios.GaxiosOptionsPrepared {
  const { retryConfig: _, ...rest } = request;
  return {
    ...rest,
    ...REQUEST_OPTIONS,
    responseType: 'text',
    signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
  };
}

function readGrant({ status, headers, data }: gaxios.GaxiosResponse<unknown>): Grant {
  const body = typeof data === 'string' ? data : '';
  if (status < 200 || status > 299) {
    throw toTokenError({ status, body, retryAfter: headers.get('retry-after') });
  }
  const parsed = grantSchema.safeParse(fromJson(body));
  if (!parsed.success) throw noAnswer('OAuth token', 'an answer without a token');
  return parsed.data;
}

function outOfTime(): AppError {
  return new AppError('out_of_time', 'OAuth token: no time left.');
}
