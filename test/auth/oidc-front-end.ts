/**
 * The front end of a service that requires authentication. It checks the ID token (signature, audience, issuer, expiry),
 * then whether its account is an invoker, and forwards only such calls. Like Cloud Run, it removes the signature, so that
 * no function can reuse a caller's token.
 * https://cloud.google.com/run/docs/authenticating/service-to-service
 */
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { OAuth2Client } from 'google-auth-library';
import { ISSUER } from './id-token-issuer.ts';

export interface OidcFrontEnd {
  /** The address of the service without a final slash: the audience that a token must have. */
  readonly url: string;
  /** The accounts whose calls were forwarded. */
  readonly passed: readonly string[];
  /** The status of each rejected call. */
  readonly rejected: readonly number[];
  close(): Promise<void>;
}

export async function startOidcFrontEnd(options: {
  readonly functionUrl: string;
  /** Accounts with `roles/run.invoker` on the service. */
  readonly invokers: readonly string[];
  readonly jwksUrl: string;
}): Promise<OidcFrontEnd> {
  const passed: string[] = [];
  const rejected: number[] = [];
  const server = createServer(async (request, response) => {
    const caller = await callerOf(request, { jwksUrl: options.jwksUrl, audience: url });
    if (caller === null || !options.invokers.includes(caller)) {
      const status = caller === null ? 401 : 403;
      rejected.push(status);
      request.resume();
      response.writeHead(status).end();
      return;
    }
    passed.push(caller);
    const answer = await forward(request, options.functionUrl);
    response
      .writeHead(answer.status, [...answer.headers].flat())
      .end(Buffer.from(await answer.arrayBuffer()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    passed,
    rejected,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** The account of a valid token; null without a token or with an invalid one. */
async function callerOf(
  { headers }: IncomingMessage,
  { jwksUrl, audience }: { readonly jwksUrl: string; readonly audience: string },
): Promise<string | null> {
  const token = /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1];
  if (token === undefined) return null;
  try {
    const ticket = await new OAuth2Client().verifySignedJwtWithCertsAsync(
      token,
      await publishedKeys(jwksUrl),
      audience,
      [ISSUER],
    );
    const { email, email_verified: isVerified } = ticket.getPayload() ?? {};
    return isVerified === true && email !== undefined ? email : null;
  } catch {
    return null;
  }
}

/** PEM by key id. */
async function publishedKeys(jwksUrl: string): Promise<Record<string, string>> {
  const { keys } = (await (await fetch(jwksUrl)).json()) as { keys: (JsonWebKey & { kid: string })[] };
  return Object.fromEntries(
    keys.map((key) => [
      key.kid,
      String(createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' })),
    ]),
  );
}

async function forward(request: IncomingMessage, functionUrl: string): Promise<Response> {
  const { authorization = '', 'content-type': contentType } = request.headers;
  const method = request.method ?? 'GET';
  const body = await buffer(request);
  return await fetch(new URL(request.url ?? '/', functionUrl), {
    method,
    headers: {
      authorization: authorization.replace(/[^.]*$/, 'SIGNATURE_REMOVED_BY_GOOGLE'),
      ...(contentType === undefined ? {} : { 'content-type': contentType }),
    },
    ...(body.length === 0 ? {} : { body }),
  });
}
