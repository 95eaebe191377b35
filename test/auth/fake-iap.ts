/**
 * A fake of Identity-Aware Proxy: signs assertions, and publishes its keys over HTTP as Google does.
 * https://docs.cloud.google.com/iap/docs/signed-headers-howto
 */
import { generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export const AUDIENCE = '/projects/123456789012/locations/europe-west1/services/email-monitor-console';
const LIFETIME_SECONDS = 600;

export interface AssertionOptions {
  /** Replace or, when undefined, remove claims. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
  /** Seconds since the assertion was issued; negative: it is issued in the future. */
  readonly ageSeconds?: number;
}

export interface KeysAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface FakeIap {
  readonly keysUrl: string;
  /** How often the keys were read. */
  readonly readCount: () => number;
  /** Valid for `ann@example.com` unless the options say otherwise. */
  assertion(options?: AssertionOptions): string;
  /** Signed with a key that is not published, under the id of a published one. */
  forged(): string;
  /** Signs with a new key from now on, and withdraws the old one. */
  rotate(): void;
  /** The answer to the next reads of the keys, at most `times`; null: the keys. */
  answerWith(answer: KeysAnswer | null, times?: number): void;
  close(): Promise<void>;
}

export async function startFakeIap(): Promise<FakeIap> {
  let keyNumber = 1;
  let pair = ecKeys();
  let count = 0;
  let answer: KeysAnswer | null = null;
  let answerCount = Number.POSITIVE_INFINITY;
  const server = createServer((_request, response) => {
    count += 1;
    if (answerCount === 0) answer = null;
    answerCount -= 1;
    const keys = [{ ...pair.jwk, kid: `key-${keyNumber}`, alg: 'ES256', use: 'sig' }];
    const { status, body, headers }: KeysAnswer = answer ?? { status: 200, body: JSON.stringify({ keys }) };
    response
      .writeHead(status, { 'content-type': 'application/json', connection: 'close', ...headers })
      .end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const assertion = ({ claims, header, ageSeconds = 0 }: AssertionOptions, key: KeyObject) => {
    const iat = Math.floor(Date.now() / 1_000) - ageSeconds;
    const standard = {
      aud: AUDIENCE,
      email: 'ann@example.com',
      exp: iat + LIFETIME_SECONDS,
      iat,
      iss: 'https://cloud.google.com/iap',
      sub: 'accounts.google.com:100000000000000000001',
    };
    const signed = `${encoded({ alg: 'ES256', kid: `key-${keyNumber}`, typ: 'JWT', ...header })}.${encoded({ ...standard, ...claims })}`;
    return `${signed}.${sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  };
  return {
    keysUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/public_key-jwk`,
    readCount: () => count,
    assertion: (options = {}) => assertion(options, pair.privateKey),
    forged: () => assertion({}, ecKeys().privateKey),
    rotate: () => {
      keyNumber += 1;
      pair = ecKeys();
    },
    answerWith: (next, times = Number.POSITIVE_INFINITY) => {
      answer = next;
      answerCount = times;
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function ecKeys(): { readonly privateKey: KeyObject; readonly jwk: JsonWebKey } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, jwk: publicKey.export({ format: 'jwk' }) };
}

export function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
