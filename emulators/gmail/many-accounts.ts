// Many emulated accounts behind one root URL. Like Google, it finds the account by the token of a call, by the `sub` of a signed JWT,
// and by the `login_hint` of the consent screen.

import { EmulatedGmail, type EmulatedGmailOptions, emulatedCredentials } from './gmail-service.ts';
import { invalidCredentials, loginRequired } from './google-error.ts';
import { claimsOf, JWT_BEARER, OAuthError } from './oauth.ts';

/** What the server asks for the account of a call. */
export interface AccountFinder {
  /** @throws {GoogleError} 401 */
  ofApiCall(authorization: string | undefined): EmulatedGmail;
  /** @throws {OAuthError} invalid_grant */
  ofTokenCall(form: URLSearchParams): EmulatedGmail;
  ofConsent(query: URLSearchParams): EmulatedGmail;
  /** @param query `account=ADDRESS`; without it the first account */
  ofControlCall(query: URLSearchParams): EmulatedGmail;
  readonly all: readonly EmulatedGmail[];
}

/** A server with one account. */
export function onlyAccount(gmail: EmulatedGmail): AccountFinder {
  const find = () => gmail;
  return { ofApiCall: find, ofTokenCall: find, ofConsent: find, ofControlCall: find, all: [gmail] };
}

/** Issued tokens and codes contain `@NUMBER@`. */
const TAG = /@(\d+)@/;

export class ManyAccounts implements AccountFinder {
  readonly all: EmulatedGmail[] = [];
  readonly #options: EmulatedGmailOptions;
  readonly #byRefreshToken = new Map<string, EmulatedGmail>();
  /** By the first address, in lower case: a search through thousands of accounts would be slow. */
  readonly #byFirstAddress = new Map<string, EmulatedGmail>();

  /** @param options of every account, unless `add` overrides them */
  constructor(options: EmulatedGmailOptions = {}) {
    this.#options = options;
  }

  /** Adds an account. Its initial refresh token is that of `refreshTokenOf`. */
  add(options: EmulatedGmailOptions & { emailAddress: string }): EmulatedGmail {
    const number = this.all.length;
    const refreshToken = options.refreshToken ?? refreshTokenOf(number);
    const gmail = new EmulatedGmail({ ...this.#options, ...options, refreshToken, tokenTag: `@${number}@` });
    this.all.push(gmail);
    this.#byRefreshToken.set(refreshToken, gmail);
    this.#byFirstAddress.set(gmail.emailAddress.toLowerCase(), gmail);
    return gmail;
  }

  /** Case does not matter. */
  byAddress(emailAddress: string): EmulatedGmail | undefined {
    const wanted = emailAddress.toLowerCase();
    const unrenamed = this.#byFirstAddress.get(wanted);
    if (unrenamed?.emailAddress.toLowerCase() === wanted) return unrenamed;
    return this.all.find((gmail) => gmail.emailAddress.toLowerCase() === wanted);
  }

  ofApiCall(authorization: string | undefined): EmulatedGmail {
    if (authorization === undefined) throw loginRequired();
    const gmail = this.#byTag(authorization);
    if (gmail === undefined) throw invalidCredentials();
    return gmail;
  }

  ofTokenCall(form: URLSearchParams): EmulatedGmail {
    const refreshToken = form.get('refresh_token') ?? '';
    const gmail =
      form.get('grant_type') === JWT_BEARER
        ? this.byAddress(String(claimsOf(form.get('assertion') ?? '')['sub']))
        : (this.#byRefreshToken.get(refreshToken) ?? this.#byTag(form.get('code') ?? refreshToken));
    if (gmail === undefined) throw new OAuthError(400, 'invalid_grant', 'Invalid email or User ID');
    return gmail;
  }

  ofConsent(query: URLSearchParams): EmulatedGmail {
    return this.byAddress(query.get('login_hint') ?? '') ?? this.#first();
  }

  ofControlCall(query: URLSearchParams): EmulatedGmail {
    const address = query.get('account');
    const gmail = address === null ? this.#first() : this.byAddress(address);
    if (gmail === undefined) throw new Error(`No account has the address ${address}`);
    return gmail;
  }

  #first(): EmulatedGmail {
    const [first] = this.all;
    if (first === undefined) throw new Error('Add an account first');
    return first;
  }

  #byTag(token: string): EmulatedGmail | undefined {
    const number = TAG.exec(token)?.[1];
    return number === undefined ? undefined : this.all[Number(number)];
  }
}

/** The initial refresh token of the account with this number, from 0. The first has that of a single account. */
export function refreshTokenOf(number: number): string {
  const { refreshToken } = emulatedCredentials;
  return number === 0 ? refreshToken : `${refreshToken}-${number}`;
}
