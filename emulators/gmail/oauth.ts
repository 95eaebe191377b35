// Google's OAuth 2 for the one account of the mailbox: the token endpoint (refresh_token and
// authorization_code with PKCE) and the consent screen, which always agrees unless told to deny.
// https://developers.google.com/identity/protocols/oauth2/native-app

import { createHash } from 'node:crypto';
import { GoogleError, invalidCredentials, loginRequired } from './google-error.ts';
import { type Random, randomHex } from './random.ts';
import type { Clock } from './timers.ts';

export interface OAuthOptions {
  clock: Clock;
  random: Random;
  clientId: string;
  clientSecret: string;
  refreshToken: string;
  /** Life of an access token. */
  accessTokenSeconds: number;
  /** Space-separated, for tokens of the first refresh token; consent gives what was asked. */
  scope: string;
}

/** The token endpoint's refusals have a form of their own: `{error, error_description}`. */
export class OAuthError extends Error {
  readonly status: number;
  readonly body: { error: string; error_description: string };

  constructor(status: number, error: string, description: string) {
    super(`${error}: ${description}`);
    this.status = status;
    this.body = { error, error_description: description };
  }
}

interface Consent {
  clientId: string;
  redirectUri: string;
  codeChallenge: string | null;
  codeChallengeMethod: string;
  scope: string;
  offline: boolean;
  expiresAtMs: number;
}

/** An authorization code is good for ten minutes and one use. */
const codeMs = 600_000;

export class OAuth {
  /** The consent screen answers access_denied. */
  denyConsent = false;
  accessTokenSeconds: number;
  /** Told with each token, as for an app whose publishing status is "Testing"; null: not told. */
  refreshTokenSeconds: number | null = null;
  readonly clientId: string;
  readonly clientSecret: string;

  readonly #options: OAuthOptions;
  /** Refresh tokens that work, with the scope that they were granted. */
  readonly #refreshTokens = new Map<string, string>();
  readonly #accessTokens = new Map<string, { expiresAtMs: number; scope: string }>();
  readonly #codes = new Map<string, Consent>();

  constructor(options: OAuthOptions) {
    this.#options = options;
    this.clientId = options.clientId;
    this.clientSecret = options.clientSecret;
    this.accessTokenSeconds = options.accessTokenSeconds;
    this.#refreshTokens.set(options.refreshToken, options.scope);
  }

  /** As when the user takes the access away: refresh and access tokens are dead at once. */
  revokeRefreshTokens(): void {
    this.#refreshTokens.clear();
    this.expireAccessTokens();
  }

  /** The user has agreed again: this refresh token works from now on. */
  reauthorize(refreshToken: string): void {
    this.#refreshTokens.set(refreshToken, this.#options.scope);
  }

  /** As when the user agreed to less: refresh tokens live on with this scope. */
  narrowScope(scope: string): void {
    for (const token of this.#refreshTokens.keys()) this.#refreshTokens.set(token, scope);
  }

  /** Access tokens given so far answer 401; a refresh remediations it. */
  expireAccessTokens(): void {
    this.#accessTokens.clear();
  }

  /**
   * The scopes of the token in an Authorization header.
   * @throws {GoogleError} 401
   */
  authenticate(header: string | undefined): string[] {
    const token = /^Bearer (.+)$/i.exec(header ?? '')?.[1];
    if (token === undefined) throw loginRequired();
    const known = this.#accessTokens.get(token);
    if (known === undefined || known.expiresAtMs <= this.#options.clock()) throw invalidCredentials();
    return known.scope.split(' ');
  }

  /**
   * The token endpoint's answer to a form.
   * @throws {OAuthError} invalid_client (401), invalid_grant, unsupported_grant_type, invalid_request (400)
   */
  token(form: URLSearchParams): Record<string, unknown> {
    if (form.get('client_id') !== this.clientId) {
      throw new OAuthError(401, 'invalid_client', 'The OAuth client was not found.');
    }
    if (form.get('client_secret') !== this.clientSecret) {
      throw new OAuthError(401, 'invalid_client', 'Unauthorized');
    }
    switch (form.get('grant_type')) {
      case 'refresh_token':
        return this.#refresh(form.get('refresh_token') ?? '');
      case 'authorization_code':
        return this.#exchange(form);
      default:
        throw new OAuthError(400, 'unsupported_grant_type', `Invalid grant_type: ${form.get('grant_type')}`);
    }
  }

  /**
   * Where the consent screen sends the browser.
   * @throws {GoogleError} 400 for a request that Google would not show a screen for
   */
  consent(query: URLSearchParams): string {
    const redirectUri = query.get('redirect_uri') ?? '';
    if (query.get('client_id') !== this.clientId) throw consentError('invalid_client');
    if (query.get('response_type') !== 'code') throw consentError('unsupported_response_type');
    if (!/^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(\/|$)/.test(redirectUri)) {
      throw consentError('redirect_uri_mismatch');
    }
    const target = new URL(redirectUri);
    const state = query.get('state');
    if (state !== null) target.searchParams.set('state', state);
    if (this.denyConsent) {
      target.searchParams.set('error', 'access_denied');
      return target.href;
    }
    const code = `4/0emulated${randomHex(this.#options.random, 40)}`;
    const scope = query.get('scope') ?? '';
    this.#codes.set(code, {
      clientId: this.clientId,
      redirectUri,
      codeChallenge: query.get('code_challenge'),
      codeChallengeMethod: query.get('code_challenge_method') ?? 'plain',
      scope,
      offline: query.get('access_type') === 'offline',
      expiresAtMs: this.#options.clock() + codeMs,
    });
    target.searchParams.set('code', code);
    target.searchParams.set('scope', scope);
    return target.href;
  }

  #refresh(refreshToken: string): Record<string, unknown> {
    const scope = this.#refreshTokens.get(refreshToken);
    if (scope === undefined) throw new OAuthError(400, 'invalid_grant', 'Token has been expired or revoked.');
    return { ...this.#grant(scope), ...this.#life() };
  }

  #exchange(form: URLSearchParams): Record<string, unknown> {
    const code = form.get('code') ?? '';
    const consent = this.#codes.get(code);
    this.#codes.delete(code);
    if (consent === undefined || consent.expiresAtMs <= this.#options.clock()) {
      throw new OAuthError(400, 'invalid_grant', 'Malformed auth code.');
    }
    if (form.get('redirect_uri') !== consent.redirectUri) {
      throw new OAuthError(400, 'redirect_uri_mismatch', 'Bad Request');
    }
    checkVerifier(consent, form.get('code_verifier'));
    const granted = this.#grant(consent.scope);
    if (!consent.offline) return granted;
    const refreshToken = `1//emulated-${randomHex(this.#options.random, 48)}`;
    this.#refreshTokens.set(refreshToken, consent.scope);
    return { ...granted, refresh_token: refreshToken, ...this.#life() };
  }

  #life(): Record<string, number> {
    return this.refreshTokenSeconds === null ? {} : { refresh_token_expires_in: this.refreshTokenSeconds };
  }

  #grant(scope: string): Record<string, unknown> {
    const token = `ya29.emulated-${randomHex(this.#options.random, 48)}`;
    const expiresAtMs = this.#options.clock() + this.accessTokenSeconds * 1000;
    this.#accessTokens.set(token, { expiresAtMs, scope });
    // Google gives one second less than the token lives.
    return { access_token: token, expires_in: this.accessTokenSeconds - 1, scope, token_type: 'Bearer' };
  }
}

function checkVerifier(consent: Consent, verifier: string | null): void {
  if (consent.codeChallenge === null) return;
  if (verifier === null) throw new OAuthError(400, 'invalid_grant', 'Missing code verifier.');
  const challenge =
    consent.codeChallengeMethod === 'S256'
      ? createHash('sha256').update(verifier).digest('base64url')
      : verifier;
  if (challenge !== consent.codeChallenge) {
    throw new OAuthError(400, 'invalid_grant', 'Invalid code verifier.');
  }
}

function consentError(error: string): GoogleError {
  return new GoogleError({
    code: 400,
    reason: error,
    message: `Access blocked: Authorization Error: ${error}`,
  });
}
