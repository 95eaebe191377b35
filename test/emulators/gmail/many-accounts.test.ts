import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  emulatedCredentials,
  ManyAccounts,
  type RunningGmail,
  refreshTokenOf,
  startEmulatedGmail,
} from '../../../emulators/gmail/emulated-gmail.ts';

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

const accounts = new ManyAccounts({ quotaUnitsPerMinute: null });
let server: RunningGmail;

beforeAll(async () => {
  for (const name of ['first', 'second', 'third']) accounts.add({ emailAddress: `${name}@example.com` });
  server = await startEmulatedGmail(accounts);
});

afterAll(async () => await server.close());

async function requestToken(
  form: Record<string, string>,
): Promise<{ status: number; json: Record<string, string> }> {
  const { clientId, clientSecret } = emulatedCredentials;
  const body = new URLSearchParams({ client_id: clientId, client_secret: clientSecret, ...form });
  const response = await fetch(server.tokenUrl, { method: 'POST', body });
  return { status: response.status, json: (await response.json()) as Record<string, string> };
}

async function addressOf(accessToken: string | undefined): Promise<unknown> {
  const response = await fetch(`${server.rootUrl}gmail/v1/users/me/profile`, {
    headers: { authorization: `Bearer ${accessToken}` },
  });
  return ((await response.json()) as Record<string, unknown>)['emailAddress'] ?? response.status;
}

function signed(claims: Record<string, unknown>): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256' })}.${part(claims)}.c2lnbmF0dXJl`;
}

describe('many accounts at one root URL', () => {
  it('finds the account by its refresh token', async () => {
    for (const [number, address] of [
      'first@example.com',
      'second@example.com',
      'third@example.com',
    ].entries()) {
      const { json } = await requestToken({
        grant_type: 'refresh_token',
        refresh_token: refreshTokenOf(number),
      });
      expect(await addressOf(json['access_token'])).toBe(address);
    }
  });

  it('finds the account by the subject of a signed JWT, without a client', async () => {
    const assertion = signed({
      sub: 'Second@example.com',
      scope: 'https://www.googleapis.com/auth/gmail.readonly',
      exp: Math.floor(Date.now() / 1000) + 3600,
    });
    const body = new URLSearchParams({ grant_type: JWT_BEARER, assertion });
    const response = await fetch(server.tokenUrl, { method: 'POST', body });
    const { access_token: token } = (await response.json()) as Record<string, string>;
    expect(await addressOf(token)).toBe('second@example.com');
  });

  it('rejects a JWT of an unknown subject, an expired one, and an account without delegation', async () => {
    const exp = Math.floor(Date.now() / 1000) + 3600;
    const ask = async (claims: Record<string, unknown>) =>
      await requestToken({ grant_type: JWT_BEARER, assertion: signed({ scope: 'a', ...claims }) });
    expect(await ask({ sub: 'unknown@example.com', exp })).toMatchObject({
      status: 400,
      json: { error: 'invalid_grant' },
    });
    expect(await ask({ sub: 'first@example.com', exp: 1 })).toMatchObject({
      status: 400,
      json: { error: 'invalid_grant' },
    });
    const third = accounts.byAddress('third@example.com');
    if (third !== undefined) third.oauth.allowsDelegation = false;
    expect(await ask({ sub: 'third@example.com', exp })).toMatchObject({
      status: 401,
      json: { error: 'unauthorized_client' },
    });
  });

  it('answers 401 to a call without a token and to one with an unknown token', async () => {
    expect(await addressOf('unknown')).toBe(401);
    const response = await fetch(`${server.rootUrl}gmail/v1/users/me/profile`);
    expect(response.status).toBe(401);
  });

  it('controls the account that the request names', async () => {
    const raw = Buffer.from('From: a@example.com\r\n\r\ntext').toString('base64');
    await fetch(`${server.controlUrl}deliver?account=second@example.com`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ raw }),
    });
    expect(accounts.all.map((gmail) => gmail.mailbox.messages.size)).toEqual([0, 1, 0]);
  });
});
