/**
 * Access tokens for the mailbox: OAuth2 with a refresh token. The library keeps the token and joins concurrent
 * refreshes; its own retries are switched off, because ours know the deadline.
 */
import { gaxios, OAuth2Client } from 'google-auth-library';
import type { GmailCredentials } from '../config.ts';
import type { AppError } from '../errors.ts';
import { fromTokenAnswer, noAnswer } from './gmail-error.ts';

const TOKEN_TIMEOUT_MS = 15_000;
/** A token that ends within this time is renewed first; more would renew short tokens at every call. */
const EAGER_REFRESH_MS = 30_000;

class PlainTransporter extends gaxios.Gaxios {
  override async request<T>(options: gaxios.GaxiosOptions = {}): gaxios.GaxiosPromise<T> {
    return await super.request<T>({
      ...options,
      timeout: TOKEN_TIMEOUT_MS,
      retry: false,
      retryConfig: { retry: 0 },
    });
  }
}

export interface Access {
  /** For the Gmail module of googleapis. */
  readonly auth: OAuth2Client;
  /** @throws {AppError} reauth_required, bad_client, gmail_unavailable */
  ensureToken(): Promise<void>;
  /** The present token was refused: the next call gets another. */
  dropToken(): void;
}

export function createAccess(credentials: GmailCredentials, tokenUrl: string | null): Access {
  const auth = new OAuth2Client({
    clientId: credentials.clientId,
    clientSecret: credentials.clientSecret,
    eagerRefreshThresholdMillis: EAGER_REFRESH_MS,
    transporter: new PlainTransporter(),
    ...(tokenUrl === null ? {} : { endpoints: { oauth2TokenUrl: tokenUrl } }),
  });
  const withoutToken = { refresh_token: credentials.refreshToken };
  auth.setCredentials(withoutToken);
  return {
    auth,
    ensureToken: async () => {
      try {
        await auth.getAccessToken();
      } catch (error) {
        throw fromTokenFault(error);
      }
    },
    dropToken: () => auth.setCredentials(withoutToken),
  };
}

function fromTokenFault(error: unknown): AppError {
  if (error instanceof gaxios.GaxiosError && error.response) {
    return fromTokenAnswer(error.response.status, error.response.data);
  }
  return noAnswer('OAuth token', 'no answer', error);
}
