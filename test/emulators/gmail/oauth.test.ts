import { OAuth2Client } from 'google-auth-library';
import { describe, expect, it } from 'vitest';
import { emulatedCredentials } from '../../../emulators/gmail/emulated-gmail.ts';
import { mailboxWithClient, realClient } from './google-client.ts';
import { mail, requestToken } from './mailbox-under-test.ts';

const refresh = { grant_type: 'refresh_token', refresh_token: emulatedCredentials.refreshToken };

describe('access tokens', () => {
  it('expires access tokens, and Google’s client refreshes them', async () => {
    const { gmail, client, call, time } = await mailboxWithClient({ accessTokenSeconds: 60 });
    await client.users.getProfile({ userId: 'me' });
    time.advance(60_000);
    expect((await call('profile')).status).toBe(401);
    await client.users.getProfile({ userId: 'me' });
    gmail.expireAccessTokens();
    await client.users.getProfile({ userId: 'me' });
    expect(gmail.callLog.countByMethod['token']).toBe(3);
  });

  it('rejects a missing or unknown access token in Google’s error format', async () => {
    const { server } = await mailboxWithClient();
    const url = `${server.rootUrl}gmail/v1/users/me/profile`;
    const without = await fetch(url);
    expect(without.status).toBe(401);
    expect(await without.json()).toMatchObject({
      error: { code: 401, status: 'UNAUTHENTICATED', errors: [{ domain: 'global', reason: 'required' }] },
    });
    const bad = await fetch(url, { headers: { authorization: 'Bearer nonsense' } });
    expect(await bad.json()).toMatchObject({ error: { errors: [{ reason: 'authError' }] } });
  });

  it('limits access tokens to their mailbox and scopes', async () => {
    const scope = 'https://www.googleapis.com/auth/gmail.readonly';
    const { gmail, client } = await mailboxWithClient({ scope });
    const { id } = gmail.deliver(mail('read only'));
    await client.users.messages.get({ userId: gmail.emailAddress, id });
    const modified = client.users.messages.modify({
      userId: 'me',
      id,
      requestBody: { addLabelIds: ['STARRED'] },
    });
    await expect(modified).rejects.toMatchObject({ status: 403 });
    await expect(client.users.getProfile({ userId: 'ben@example.com' })).rejects.toMatchObject({
      status: 403,
    });
  });
});

describe('token endpoint', () => {
  it('rejects a wrong client secret, a revoked refresh token and an unknown grant type as Google does', async () => {
    const { gmail, server } = await mailboxWithClient();
    const otherClient = await requestToken(server, { ...refresh, client_secret: 'wrong' });
    expect(otherClient.status).toBe(401);
    expect(await otherClient.json()).toMatchObject({ error: 'invalid_client' });
    const otherGrant = await requestToken(server, { ...refresh, grant_type: 'password' });
    expect(await otherGrant.json()).toMatchObject({ error: 'unsupported_grant_type' });
    gmail.revokeRefreshToken();
    const revoked = await requestToken(server, refresh);
    expect(revoked.status).toBe(400);
    expect(await revoked.json()).toEqual({
      error: 'invalid_grant',
      error_description: 'Token has been expired or revoked.',
    });
  });

  it('returns invalid_grant to Google’s client until the user reauthorizes', async () => {
    const { gmail, server } = await mailboxWithClient();
    gmail.revokeRefreshToken();
    const revoked = realClient(server).users.getProfile({ userId: 'me' });
    await expect(revoked).rejects.toMatchObject({ response: { data: { error: 'invalid_grant' } } });
    gmail.reauthorize('1//new');
    await realClient(server, '1//new').users.getProfile({ userId: 'me' });
  });
});

describe('consent screen', () => {
  const redirectUri = 'http://127.0.0.1:4321/callback';
  const scope = 'https://www.googleapis.com/auth/gmail.readonly';

  async function authorization() {
    const { gmail, server } = await mailboxWithClient();
    const auth = new OAuth2Client({
      clientId: emulatedCredentials.clientId,
      clientSecret: emulatedCredentials.clientSecret,
      endpoints: { oauth2TokenUrl: server.tokenUrl, oauth2AuthBaseUrl: server.authUrl },
    });
    const { codeVerifier, codeChallenge } = await auth.generateCodeVerifierAsync();
    const authorizeUrl = auth.generateAuthUrl({
      access_type: 'offline',
      prompt: 'consent',
      scope,
      state: 'state-1',
      redirect_uri: redirectUri,
      code_challenge_method: 'S256' as never,
      code_challenge: codeChallenge ?? '',
    });
    const visit = async () => {
      const response = await fetch(authorizeUrl, { redirect: 'manual' });
      return new URL(response.headers.get('location') ?? '');
    };
    return { gmail, server, auth, codeVerifier, authorizeUrl, visit };
  }

  it('redirects with code and state, and exchanges the code for a refresh token only once', async () => {
    const { server, auth, codeVerifier, visit } = await authorization();
    const back = await visit();
    expect(back.href.startsWith(redirectUri)).toBe(true);
    expect(back.searchParams.get('state')).toBe('state-1');
    const code = back.searchParams.get('code') ?? '';
    const { tokens } = await auth.getToken({ code, codeVerifier, redirect_uri: redirectUri });
    expect(tokens.scope).toBe(scope);
    await realClient(server, tokens.refresh_token ?? '').users.getProfile({ userId: 'me' });
    const again = auth.getToken({ code, codeVerifier, redirect_uri: redirectUri });
    await expect(again).rejects.toMatchObject({ response: { data: { error: 'invalid_grant' } } });
  });

  it('rejects a code with the wrong PKCE verifier', async () => {
    const { auth, visit } = await authorization();
    const code = (await visit()).searchParams.get('code') ?? '';
    const stolen = auth.getToken({ code, codeVerifier: 'another-verifier', redirect_uri: redirectUri });
    await expect(stolen).rejects.toMatchObject({ response: { data: { error: 'invalid_grant' } } });
  });

  it('returns access_denied if `denyConsent` is set, and rejects an unknown client', async () => {
    const { gmail, authorizeUrl, visit } = await authorization();
    gmail.oauth.denyConsent = true;
    expect((await visit()).searchParams.get('error')).toBe('access_denied');
    const other = authorizeUrl.replace(/client_id=[^&]*/, 'client_id=other');
    expect((await fetch(other, { redirect: 'manual' })).status).toBe(400);
  });
});
