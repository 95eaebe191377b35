/**
 * Access tokens for the mailbox: OAuth 2 with a refresh token. A token is kept, and concurrent calls join one refresh.
 * No retries: those of the callers know the deadline.
 * What must stay true: a refresh ends by itself, because later calls join it.
 * Source: https://developers.google.com/identity/protocols/oauth2/web-server#offline
 */
import { text } from 'node:stream/consumers';
import * as z from 'zod/mini';
import type { GmailCredentials } from '../credentials.ts';
import type { Deadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import { fromTokenAnswer, noAnswer } from './gmail-error.ts';
import { sendPlainly } from './plain-http.ts';

const GOOGLE_TOKEN_URL = 'https://oauth2.googleapis.com/token';
const TOKEN_TIMEOUT_MS = 15_000;
/** A token that ends within this time is renewed first; more would renew short tokens at every call. */
const EAGER_REFRESH_MS = 30_000;

const tokenAnswer = z.object({
  access_token: z.string().check(z.minLength(1)),
  expires_in: z.optional(z.coerce.number()),
  /** What may be done with it, separated by blanks. For the doctor alone, like the next: no reason to refuse a token. */
  scope: z.catch(z.optional(z.string()), undefined),
  /** Seconds; only of clients in status "Testing". */
  refresh_token_expires_in: z.catch(z.optional(z.number()), undefined),
});
export type Grant = z.output<typeof tokenAnswer>;

export interface Access {
  /** What the token endpoint answered last; null before it did. */
  readonly grant: Grant | null;
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
  const url = new URL(tokenUrl ?? GOOGLE_TOKEN_URL);
  let grant: Grant | null = null;
  let kept: { readonly token: string; readonly renewAtMs: number } | null = null;
  let renewal: Promise<string> | null = null;

  const renew = async (): Promise<string> => {
    grant = await askForToken(credentials, url);
    const { access_token: token, expires_in: seconds = Number.POSITIVE_INFINITY } = grant;
    kept = { token, renewAtMs: Date.now() + seconds * 1_000 - EAGER_REFRESH_MS };
    return token;
  };
  const current = async (): Promise<string> => {
    if (kept !== null && Date.now() < kept.renewAtMs) return kept.token;
    renewal ??= renew().finally(() => {
      renewal = null;
    });
    return await renewal;
  };
  return {
    get grant() {
      return grant;
    },
    ensureToken: async (deadline) => await inTime(deadline, current()),
    dropToken: (refused) => {
      if (kept?.token === refused) kept = null;
    },
  };
}

async function askForToken(credentials: GmailCredentials, url: URL): Promise<Grant> {
  const form = new URLSearchParams({
    refresh_token: credentials.refreshToken,
    client_id: credentials.clientId,
    client_secret: credentials.clientSecret,
    grant_type: 'refresh_token',
  });
  const signal = AbortSignal.timeout(TOKEN_TIMEOUT_MS);
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  try {
    const answer = await sendPlainly({ url, method: 'POST', headers, body: form.toString(), signal });
    const body = fromJson(await text(answer.body));
    if (answer.status < 200 || answer.status > 299) throw fromTokenAnswer(answer.status, body);
    const parsed = tokenAnswer.safeParse(body);
    if (!parsed.success) throw noAnswer('OAuth token', 'an answer without a token');
    return parsed.data;
  } catch (error) {
    throw error instanceof AppError ? error : noAnswer('OAuth token', 'no answer', error);
  }
}

function fromJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
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
