// Google's OAuth 2.0 for the account of the mailbox. It has the token endpoint (refresh_token, and authorization_code with
// PKCE) and a consent screen that always grants access unless `denyConsent` is set.
// https://developers.google.com/identity/protocols/oauth2/native-app

import { createHash } from 'node:crypto';
import { type Random, randomHex } from '../seeded-random.ts';
import { GoogleError, invalidCredentials, loginRequired } from './google-error.ts';
import type { Clock } from './timers.ts';

export interface OAuthOptions {
  clock: Clock;
  random: Random;
  clientId: string;
  clientSecret: string;
  refreshToken: string;
  /** Lifetime of an access token. */
  accessTokenSeconds: number;
  /** Space-separated scopes of the initial refresh token. The consent screen grants the requested scopes. */
  scope: string;
  /** Part of all issued tokens and codes, by which `many-accounts.ts` finds the account; empty for a single one. */
  tokenTag: string;
}

/** An error of the token endpoint, whose format is `{error, error_description}`. */
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

/** An authorization code is valid for ten minutes and one use. */
const codeMs = 600_000;

export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** The claims of a JWT, unverified; empty when it is none. */
export function claimsOf(jwt: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString('utf8')));
  } catch {
    return {};
  }
}

export class OAuth {
  /** The consent screen returns access_denied. */
  denyConsent = false;
  /** An administrator of the domain allows the service account to read this account. */
  allowsDelegation = true;
  accessTokenSeconds: number;
  /** Reported with each token, as for an app whose publishing status is "Testing"; null omits the field. */
  refreshTokenSeconds: number | null = null;
  readonly clientId: string;
  readonly clientSecret: string;

  readonly #options: OAuthOptions;
  /** Valid refresh tokens with their granted scope. */
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

  /** Revokes all refresh and access tokens at once, as when the user removes access. */
  revokeRefreshTokens(): void {
    this.#refreshTokens.clear();
    this.expireAccessTokens();
  }

  /** Makes this refresh token valid, as when the user grants access again. */
  reauthorize(refreshToken: string): void {
    this.#refreshTokens.set(refreshToken, this.#options.scope);
  }

  /** Limits all refresh tokens to this scope, as when the user granted less. */
  narrowScope(scope: string): void {
    for (const token of this.#refreshTokens.keys()) this.#refreshTokens.set(token, scope);
  }

  /** Invalidates all access tokens; calls with them get 401 until the client refreshes. */
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
   * The token endpoint's response to a form.
   * @throws {OAuthError} invalid_client, unauthorized_client (401), invalid_grant, unsupported_grant_type, invalid_request (400)
   */
  token(form: URLSearchParams): Record<string, unknown> {
    if (form.get('grant_type') === JWT_BEARER) return this.#delegate(form.get('assertion') ?? '');
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
   * The URL to which the consent screen redirects the browser.
   * @throws {GoogleError} 400 for a request that Google rejects without a consent screen
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
    const code = `4/0emulated${this.#options.tokenTag}${randomHex(this.#options.random, 40)}`;
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

  /** The signature is not checked: the emulated IAM signs with no key of Google. */
  #delegate(assertion: string): Record<string, unknown> {
    const { exp, scope } = claimsOf(assertion);
    if (typeof exp !== 'number' || exp * 1000 <= this.#options.clock())
      throw new OAuthError(400, 'invalid_grant', 'Invalid JWT: Token must be a short-lived token.');
    if (!this.allowsDelegation)
      throw new OAuthError(
        401,
        'unauthorized_client',
        'Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested.',
      );
    return this.#grant(String(scope));
  }

  #refresh(refreshToken: string): Record<string, unknown> {
    const scope = this.#refreshTokens.get(refreshToken);
    if (scope === undefined) throw new OAuthError(400, 'invalid_grant', 'Token has been expired or revoked.');
    return { ...this.#grant(scope), ...this.#refreshTokenLifetime() };
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
    const refreshToken = `1//emulated-${this.#options.tokenTag}${randomHex(this.#options.random, 48)}`;
    this.#refreshTokens.set(refreshToken, consent.scope);
    return { ...granted, refresh_token: refreshToken, ...this.#refreshTokenLifetime() };
  }

  #refreshTokenLifetime(): Record<string, number> {
    return this.refreshTokenSeconds === null ? {} : { refresh_token_expires_in: this.refreshTokenSeconds };
  }

  #grant(scope: string): Record<string, unknown> {
    const token = `ya29.emulated-${this.#options.tokenTag}${randomHex(this.#options.random, 48)}`;
    const expiresAtMs = this.#options.clock() + this.accessTokenSeconds * 1000;
    this.#accessTokens.set(token, { expiresAtMs, scope });
    // Google reports one second less than the lifetime of the token.
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
