/**
 * Access tokens of a mailbox: by its refresh token with google-auth-library, or by delegation. Concurrent calls share one
 * refresh. Does not retry: the callers do, because they know the deadline.
 * Source: https://developers.google.com/identity/protocols/oauth2/web-server#offline
 */
import type { gaxios } from 'google-auth-library';
import type { GmailCredentials } from '../credentials.ts';
import type { MailboxAccess } from '../mailbox-access.ts';
import { withTimeout } from '../timeout.ts';
import { createDelegatedTokens } from './delegated-tokens.ts';
import { noAnswer } from './gmail-error.ts';
import { loadGoogleLibrary, REQUEST_OPTIONS, rootCause } from './google-library.ts';
import {
  type AccessTokens,
  EAGER_REFRESH_MS,
  type Grant,
  outOfTime,
  readGrant,
  TOKEN_TIMEOUT_MS,
  type TokenUrls,
} from './grant.ts';
import { toTokenError } from './token-error.ts';

export async function createAccessTokens(access: MailboxAccess, urls: TokenUrls): Promise<AccessTokens> {
  return access.kind === 'delegation'
    ? createDelegatedTokens(access, urls)
    : await createRefreshedTokens(access.credentials, urls.tokenUrl);
}

async function createRefreshedTokens(
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
      const { status, headers, data } = response as gaxios.GaxiosResponse<unknown>;
      const body = typeof data === 'string' ? data : '';
      grant = readGrant({ status, body, retryAfter: headers.get('retry-after') }, toTokenError);
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
