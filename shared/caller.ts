/**
 * The account of the caller of a function, for the record of who read which email. Cloud Run verifies the identity token before
 * the request reaches the function, and replaces its signature, so it is only decoded here. The headers of Identity-Aware
 * Proxy are ignored here, because any caller may send them; `iap.ts` verifies the signed one.
 * https://cloud.google.com/run/docs/authenticating/service-to-service
 */
import type { HttpRequest } from './http.ts';

/**
 * @param isInCloud false: no one has verified a token
 * @returns an email address, `local` outside of the cloud, or `unknown` without an identity token
 */
export function callerOf({ headers }: Pick<HttpRequest, 'headers'>, isInCloud: boolean): string {
  if (!isInCloud) return 'local';
  // Cloud Run verifies this header alone when both are present.
  const token = bearerOf(headers['x-serverless-authorization']) ?? bearerOf(headers['authorization']);
  return (token === null ? null : emailOf(token)) ?? 'unknown';
}

function bearerOf(header: string | string[] | undefined): string | null {
  return typeof header === 'string' ? (/^Bearer (\S+)$/i.exec(header)?.[1] ?? null) : null;
}

/** @returns the claim `email`; null when the token has none, or is an access token and not a JWT */
function emailOf(jwt: string): string | null {
  try {
    const claims: unknown = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const email = typeof claims === 'object' && claims !== null && 'email' in claims ? claims.email : null;
    return typeof email === 'string' && email !== '' ? email : null;
  } catch {
    return null;
  }
}
