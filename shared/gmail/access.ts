/**
 * Access tokens for the mailbox: OAuth2 with a refresh token. The library keeps the token and joins concurrent
 * refreshes; its own retries are switched off, because ours know the deadline.
 * What must stay true: a refresh ends by itself, because later calls join it.
 */
import { gaxios, OAuth2Client } from 'google-auth-library';
import type { GmailCredentials } from '../credentials.ts';
import type { Deadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import { fromTokenAnswer, noAnswer } from './gmail-error.ts';
import { sendPlainly } from './plain-http.ts';

const TOKEN_TIMEOUT_MS = 15_000;
/** A token that ends within this time is renewed first; more would renew short tokens at every call. */
const EAGER_REFRESH_MS = 30_000;

class PlainTransporter extends gaxios.Gaxios {
  override async request<T>(options: gaxios.GaxiosOptions = {}): gaxios.GaxiosPromise<T> {
    return await super.request<T>({
      ...options,
      // Calls to Gmail pass here too. They bring a signal and watch over themselves; a time for the whole call
      // would cut every body that takes longer than it.
      ...(options.signal ? { adapter: sendPlainly } : { timeout: TOKEN_TIMEOUT_MS }),
      retry: false,
      retryConfig: { retry: 0 },
    });
  }
}

export interface Access {
  /** For the Gmail module of googleapis. */
  readonly auth: OAuth2Client;
  /**
   * Gives a token that is valid by our clock; concurrent calls share one refresh.
   *
   * @throws {AppError} reauth_required, bad_client, gmail_unavailable; out_of_time when the deadline is sooner
   */
  ensureToken(deadline: Deadline): Promise<string>;
  /** This token was refused: the next call gets another. One that has replaced it already stays. */
  dropToken(refused: string): void;
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
    ensureToken: async (deadline) => {
      try {
        const { token } = await inTime(deadline, auth.getAccessToken());
        if (!token) throw noAnswer('OAuth token', 'an answer without a token');
        return token;
      } catch (error) {
        throw error instanceof AppError ? error : fromTokenFault(error);
      }
    },
    dropToken: (refused) => {
      if (auth.credentials.access_token === refused) auth.setCredentials(withoutToken);
    },
  };
}

/** Does not end the refresh, which others may be waiting for too. */
async function inTime<T>(deadline: Deadline, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new AppError('out_of_time', 'OAuth token: no time left.')),
    deadline.remainingMs(),
  );
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function fromTokenFault(error: unknown): AppError {
  if (error instanceof gaxios.GaxiosError && error.response) {
    return fromTokenAnswer(error.response.status, error.response.data);
  }
  return noAnswer('OAuth token', 'no answer', error);
}
