/**
 * The method signJwt of Google's IAM Credentials API. It signs with a key of its own, which no other program knows, so a receiver
 * has to decode the JWT without verifying it. Credentials are not checked, but requests of web pages are rejected.
 * https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signJwt
 */
import { createHmac, randomBytes } from 'node:crypto';
import { type EmulatedGoogleApi, FAULTS, type GoogleApiError, startGoogleApi } from '../google-faults.ts';

/** Google's maximum of `exp`. */
const MAX_LIFE_SECONDS = 43_200;
const PATH = /^\/v1\/projects\/-\/serviceAccounts\/([^/:]+):signJwt$/;

export interface EmulatedSigner extends EmulatedGoogleApi {
  /** The claims of each JWT, in the order of the calls. */
  readonly claims: readonly Record<string, unknown>[];
}

/** @param accounts the service accounts that exist; undefined: every account does */
export async function startSignJwt(accounts?: readonly string[]): Promise<EmulatedSigner> {
  const key = randomBytes(32);
  const claims: Record<string, unknown>[] = [];
  const api = await startGoogleApi((request, body) => {
    const account = PATH.exec(request.url ?? '')?.[1];
    if (request.method !== 'POST' || account === undefined) return { error: FAULTS.notFound };
    if (accounts !== undefined && !accounts.includes(decodeURIComponent(account)))
      return { error: FAULTS.notFound };
    const payload = payloadOf(body);
    if (payload === null) return { error: invalid('The payload must be the JSON of a claims set.') };
    const { exp } = payload;
    const now = Date.now() / 1_000;
    if (
      exp !== undefined &&
      !(Number.isInteger(exp) && Number(exp) > now && Number(exp) <= now + MAX_LIFE_SECONDS)
    )
      return { error: invalid('exp must be an integer timestamp, at most 12 hours in the future.') };
    claims.push(payload);
    return { keyId: 'emulated', signedJwt: sign(payload, key) };
  });
  return Object.assign(api, { claims });
}

function payloadOf(body: string): Record<string, unknown> | null {
  try {
    const payload: unknown = JSON.parse(JSON.parse(body).payload);
    return typeof payload === 'object' && payload !== null ? { ...payload } : null;
  } catch {
    return null;
  }
}

function invalid(message: string): GoogleApiError {
  return { code: 400, status: 'INVALID_ARGUMENT', message };
}

function sign(claims: object, key: Buffer): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const signed = `${encode({ alg: 'HS256', kid: 'emulated', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}
