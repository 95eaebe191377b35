/**
 * Verifies the assertion that Identity-Aware Proxy adds to each request that it lets through, and reads the account from it.
 * Invariant: an assertion counts only with a signature of Google, for this service, and while it is valid.
 *
 * https://docs.cloud.google.com/iap/docs/signed-headers-howto
 */
import { createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto';
import { AppError } from './errors.ts';

export const IAP_HEADER = 'x-goog-iap-jwt-assertion';
const ISSUER = 'https://cloud.google.com/iap';
const GOOGLE_KEYS_URL = 'https://www.gstatic.com/iap/verify/public_key-jwk';
/** What Google's documentation allows between two clocks. */
const CLOCK_SKEW_MS = 30_000;
/** A key that Google has withdrawn is believed no longer than this. */
const MAX_KEYS_AGE_MS = 3_600_000;
/** An unknown key id may be a new key. Keys are read again for it at most this often. */
const MIN_KEYS_AGE_MS = 60_000;
const KEYS_TIMEOUT_MS = 5_000;

export interface IapOptions {
  /** `/projects/NUMBER/locations/REGION/services/NAME` */
  readonly audience: string;
  /** Null: Google's own. */
  readonly keysUrl: string | null;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/**
 * @param assertion the value of the header
 * @returns the email address of the account
 * @throws {AppError} iap_assertion_rejected; iap_keys_unavailable
 */
export type VerifyAssertion = (assertion: string | string[] | undefined) => Promise<string>;

/** The result keeps the keys between calls. */
export function createAssertionVerifier({ audience, keysUrl, now = Date.now }: IapOptions): VerifyAssertion {
  const keys = new PublishedKeys(keysUrl ?? GOOGLE_KEYS_URL, now);
  return async (assertion) => {
    if (typeof assertion !== 'string' || assertion === '') throw rejected('The request has no assertion');
    const [head = '', payload = '', signature = '', ...rest] = assertion.split('.');
    const header = decoded(head);
    const claims = decoded(payload);
    if (header === null || claims === null || rest.length > 0) throw rejected('The assertion is malformed');
    // The token does not choose the algorithm.
    if (header['alg'] !== 'ES256') throw rejected('The assertion is not signed with ES256');
    const key = await keys.find(String(header['kid']));
    if (key === null) throw rejected('The assertion is signed with an unknown key');
    const signed = Buffer.from(`${head}.${payload}`);
    const bytes = Buffer.from(signature, 'base64url');
    if (!verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, bytes))
      throw rejected('The signature of the assertion is wrong');
    return accountOf(claims, audience, now());
  };
}

type Claims = Readonly<Record<string, unknown>>;

function accountOf({ aud, email, exp, iat, iss }: Claims, audience: string, nowMs: number): string {
  if (iss !== ISSUER) throw rejected('The assertion has another issuer');
  if (aud !== audience) throw rejected('The assertion is for another service');
  if (typeof exp !== 'number' || exp * 1_000 + CLOCK_SKEW_MS < nowMs)
    throw rejected('The assertion has expired');
  if (typeof iat !== 'number' || iat * 1_000 - CLOCK_SKEW_MS > nowMs)
    throw rejected('The assertion is not valid yet');
  if (typeof email !== 'string' || email === '') throw rejected('The assertion names no email address');
  return email;
}

/** @returns null when it is not a JSON object */
function decoded(segment: string): Claims | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Claims) : null;
  } catch {
    return null;
  }
}

/** @param reason never quotes the assertion, which is a credential */
function rejected(reason: string): AppError {
  return new AppError('iap_assertion_rejected', `${reason}.`);
}

class PublishedKeys {
  readonly #url: string;
  readonly #now: () => number;
  #keys: ReadonlyMap<string, KeyObject> = new Map();
  #readAtMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;

  constructor(url: string, now: () => number) {
    this.#url = url;
    this.#now = now;
  }

  /** @returns null for an unknown id. @throws {AppError} iap_keys_unavailable */
  async find(id: string): Promise<KeyObject | null> {
    const ageMs = this.#now() - this.#readAtMs;
    const isNew = !this.#keys.has(id) && ageMs >= MIN_KEYS_AGE_MS;
    if (isNew || ageMs >= MAX_KEYS_AGE_MS) {
      this.#reading ??= this.#read().finally(() => {
        this.#reading = null;
      });
      await this.#reading;
    }
    return this.#keys.get(id) ?? null;
  }

  async #read(): Promise<void> {
    try {
      const signal = AbortSignal.timeout(KEYS_TIMEOUT_MS);
      const response = await fetch(this.#url, { redirect: 'error', signal });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const { keys } = (await response.json()) as { keys: readonly unknown[] };
      const usable = new Map(keys.flatMap(toEntry));
      if (usable.size === 0) throw new Error('no usable key');
      this.#keys = usable;
      this.#readAtMs = this.#now();
    } catch (error) {
      const { host } = new URL(this.#url);
      throw new AppError('iap_keys_unavailable', `${host} did not return the keys.`, { cause: error });
    }
  }
}

/** Empty for a key of another kind: RFC 7517 asks readers to ignore it. */
function toEntry(key: unknown): [string, KeyObject][] {
  const { kid, kty } = Object(key) as { kid?: unknown; kty?: unknown };
  if (typeof kid !== 'string' || kty !== 'EC') return [];
  try {
    return [[kid, createPublicKey({ key: key as JsonWebKey, format: 'jwk' })]];
  } catch {
    return [];
  }
}
