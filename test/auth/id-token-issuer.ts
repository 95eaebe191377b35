/**
 * Issues ID tokens in place of Google: a key pair signs them, and its public key is published as a JWKS. The tokens have
 * the format of those that Cloud Scheduler and Pub/Sub send.
 * https://cloud.google.com/docs/authentication/token-types#id-contents
 */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export const ISSUER = 'https://accounts.google.com';
const KEY_ID = 'test-key';
const LIFETIME_SECONDS = 3_600;

export interface Claims {
  readonly email: string;
  readonly audience: string;
  /** Seconds since the token was issued; 0 unless given. A token is valid for an hour. */
  readonly ageSeconds?: number;
  readonly issuer?: string;
}

export interface IdTokenIssuer {
  /** The address of the public keys. */
  readonly jwksUrl: string;
  mint(claims: Claims): string;
  /** Signs with an unpublished key, under the id of the published one. */
  forge(claims: Claims): string;
  close(): Promise<void>;
}

export async function startIdTokenIssuer(): Promise<IdTokenIssuer> {
  const own = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const unpublished = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = createPublicKey(own.privateKey).export({ format: 'jwk' });
  const jwks = JSON.stringify({ keys: [{ ...jwk, kid: KEY_ID, use: 'sig', alg: 'RS256' }] });
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(jwks);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    jwksUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/certs`,
    mint: (claims) => signed(claims, own.privateKey),
    forge: (claims) => signed(claims, unpublished.privateKey),
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function signed(claims: Claims, key: KeyObject): string {
  const issuedAt = Math.floor(Date.now() / 1_000) - (claims.ageSeconds ?? 0);
  const head = encoded({ alg: 'RS256', kid: KEY_ID, typ: 'JWT' });
  const payload = encoded({
    aud: claims.audience,
    azp: '100000000000000000001',
    email: claims.email,
    email_verified: true,
    exp: issuedAt + LIFETIME_SECONDS,
    iat: issuedAt,
    iss: claims.issuer ?? ISSUER,
    sub: '100000000000000000001',
  });
  const signature = sign('RSA-SHA256', Buffer.from(`${head}.${payload}`), key).toString('base64url');
  return `${head}.${payload}.${signature}`;
}

/** The token with the claims of another token, and its own signature. */
export function withClaimsOf(token: string, other: string): string {
  const [head, , signature] = token.split('.');
  return `${head}.${other.split('.')[1]}.${signature}`;
}

/** The claims without a signature. */
export function unsigned(token: string): string {
  return `${encoded({ alg: 'none', kid: KEY_ID, typ: 'JWT' })}.${token.split('.')[1]}.`;
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
