import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  EmulatedGmail,
  emulatedCredentials,
  type RunningGmail,
  startEmulatedGmail,
} from '../../emulators/gmail/emulated-gmail.ts';
import type { FaultRule } from '../../emulators/gmail/fault-rules.ts';
import { Deadline } from '../../shared/deadline.ts';
import { AppError, type ErrorCode, operatorState, requiresOperator } from '../../shared/errors.ts';
import { createAccessTokens } from '../../shared/gmail/access-tokens.ts';
import { type CallContext, createGmailClient, type GmailClient } from '../../shared/gmail/gmail-client.ts';
import { errorOf } from './client-fixture.ts';
import { type Script, startScriptedGmail } from './scripted-gmail.ts';

let gmail: EmulatedGmail;
let server: RunningGmail;
let client: GmailClient;
const emulatedAccess = { kind: 'refresh_token', credentials: emulatedCredentials } as const;
const context: CallContext = { deadline: Deadline.after(600_000), acquireUnits: async () => undefined };

beforeEach(async () => {
  gmail = new EmulatedGmail({ quotaUnitsPerMinute: null });
  server = await startEmulatedGmail(gmail);
  client = clientWith({});
});
afterEach(() => server.close());

function clientWith(credentials: Partial<Record<keyof typeof emulatedCredentials, string>>): GmailClient {
  return createGmailClient({
    access: { kind: 'refresh_token', credentials: { ...emulatedCredentials, ...credentials } },
    rootUrl: server.rootUrl,
    tokenUrl: server.tokenUrl,
    sleep: async () => undefined,
  });
}

function calls(method: string): number {
  return gmail.callLog.calls.filter((call) => call.method === method).length;
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  const error = await call.catch((thrown: unknown) => thrown);
  if (!(error instanceof AppError)) throw new Error('not an AppError', { cause: error });
  for (const secret of Object.values(emulatedCredentials)) {
    expect(`${error.message} ${error.remediation}`).not.toContain(secret);
  }
  return error.code;
}

describe('access token', () => {
  it('fetches one access token for many concurrent calls and keeps it', async () => {
    await Promise.all(Array.from({ length: 20 }, async () => await client.getProfile(context)));
    await client.getProfile(context);
    expect([calls('token'), calls('getProfile')]).toEqual([1, 21]);
  });

  it('renews an access token that Gmail rejects once and repeats the call', async () => {
    await client.getProfile(context);
    gmail.expireAccessTokens();
    expect((await client.getProfile(context)).emailAddress).toBe('orders@example.com');
    expect([calls('token'), calls('getProfile')]).toEqual([2, 3]);
  });

  it('renews an access token before it expires, so that no call is sent with an expired one', async () => {
    gmail.oauth.accessTokenSeconds = 20;
    await client.getProfile(context);
    const before = calls('token');
    await client.getProfile(context);
    expect(calls('token')).toBeGreaterThan(before);
    expect(gmail.callLog.calls.map((call) => call.status)).not.toContain(401);
  });

  it('renews an access token once when its rejections arrive one after another', async () => {
    // The first rejection is sent immediately, the second only when the first call has its new token.
    const renewed = Promise.withResolvers<void>();
    let given = 0;
    const give: Script = (response) => {
      given += 1;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ access_token: `token-${given}`, expires_in: 3600 }));
    };
    const profile = JSON.stringify({ emailAddress: 'orders@example.com', historyId: '1' });
    let rejections = 0;
    const answer: Script = async (response, request) => {
      if (request.headers.authorization === 'Bearer token-1') {
        rejections += 1;
        if (rejections === 2) await renewed.promise;
        response.writeHead(401).end('{}');
      } else response.writeHead(200, { 'content-type': 'application/json' }).end(profile);
    };
    const scripted = await startScriptedGmail([answer], give);
    const { rootUrl, tokenUrl } = scripted;
    const two = createGmailClient({ access: emulatedAccess, rootUrl, tokenUrl });
    const both = [two.getProfile(context), two.getProfile(context)];
    await Promise.race(both);
    renewed.resolve();
    await Promise.all(both);
    expect(given).toBe(2);
    scripted.close();
  });

  it('ends with reauth_required when Gmail rejects a fresh access token', async () => {
    gmail.faults.add({ kind: 'status', status: 401, method: 'getProfile' });
    expect(await codeOf(client.getProfile(context))).toBe('reauth_required');
    expect([calls('token'), calls('getProfile')]).toEqual([2, 2]);
  });
});

describe('token endpoint', () => {
  it('ends a call with reauth_required without a retry when the refresh token is revoked, until it is authorized again', async () => {
    gmail.revokeRefreshToken();
    expect(await codeOf(client.getProfile(context))).toBe('reauth_required');
    expect([calls('token'), calls('getProfile')]).toEqual([1, 0]);
    gmail.reauthorize(emulatedCredentials.refreshToken);
    expect((await client.getProfile(context)).emailAddress).toBe('orders@example.com');
  });

  it('ends the next call with reauth_required when the refresh token is revoked during use', async () => {
    await client.getProfile(context);
    gmail.revokeRefreshToken();
    expect(await codeOf(client.getProfile(context))).toBe('reauth_required');
  });

  it.each([{ clientId: 'another.apps.googleusercontent.com' }, { clientSecret: 'wrong' }])(
    'ends a call with bad_client without a retry for the unknown client %o',
    async (wrong) => {
      expect(await codeOf(clientWith(wrong).getProfile(context))).toBe('bad_client');
      expect([calls('token'), calls('getProfile')]).toEqual([1, 0]);
    },
  );

  it.each<[string, Omit<Extract<FaultRule, { kind: 'status' }>, 'kind'>, ErrorCode]>([
    ['is unavailable', { status: 503 }, 'gmail_unavailable'],
    ['limits the rate', { status: 429 }, 'gmail_unavailable'],
    [
      'limits the rate with an OAuth error',
      { status: 403, reason: 'rate_limit_exceeded' },
      'gmail_unavailable',
    ],
    ['fails internally', { status: 400, reason: 'internal_failure' }, 'gmail_unavailable'],
    ['is replaced by a server without OAuth', { status: 403, reason: 'Go away!' }, 'gmail_unavailable'],
    ['rejects the client with another error', { status: 401, reason: 'invalid_request' }, 'bad_client'],
    ['does not find the client', { status: 401, reason: 'deleted_client' }, 'deleted_client'],
    ['does not authorize the client', { status: 400, reason: 'unauthorized_client' }, 'bad_client'],
  ])('a token endpoint that %s with %o causes %s', async (_, rule, code) => {
    gmail.faults.add({ kind: 'status', ...rule, method: 'token' });
    expect(await codeOf(client.getProfile(context))).toBe(code);
    expect(calls('token')).toBe(code === 'gmail_unavailable' ? 4 : 1);
    expect(calls('getProfile')).toBe(0);
  });

  it.each<FaultRule>([{ kind: 'reset' }, { kind: 'truncate' }, { kind: 'notJson' }])(
    'retries a token endpoint that answers with %o and continues the call',
    async (fault) => {
      gmail.faults.add({ ...fault, method: 'token', times: 1 });
      expect((await client.getProfile(context)).emailAddress).toBe('orders@example.com');
      expect([calls('token'), calls('getProfile')]).toEqual([2, 1]);
    },
  );
});

describe('token endpoint error', () => {
  const rejections: [object, ErrorCode, 'reauth_required' | 'access_denied', RegExp][] = [
    [{ error: 'invalid_grant' }, 'reauth_required', 'reauth_required', /npm run authorize/],
    [
      { error: 'invalid_grant', error_subtype: 'invalid_rapt' },
      'workspace_session_expired',
      'reauth_required',
      /exempt the app.*domain-wide delegation.*only hours/,
    ],
    [
      { error: 'invalid_grant', error_subtype: 'rapt_required' },
      'workspace_session_expired',
      'reauth_required',
      /exempt the app/,
    ],
    [
      { error: 'invalid_grant', error_description: 'reauth related error (invalid_rapt)' },
      'workspace_session_expired',
      'reauth_required',
      /exempt the app/,
    ],
    [{ error: 'admin_policy_enforced' }, 'admin_policy_enforced', 'access_denied', /API controls/],
    [
      { error: 'access_denied', error_subtype: 'admin_policy_enforced' },
      'admin_policy_enforced',
      'access_denied',
      /API controls/,
    ],
    [{ error: 'policy_enforced' }, 'policy_enforced', 'access_denied', /Advanced Protection/],
    [{ error: 'org_internal' }, 'org_internal', 'access_denied', /organisation/],
    [{ error: 'deleted_client' }, 'deleted_client', 'access_denied', /Restore the client/],
    [{ error: 'disabled_client' }, 'disabled_client', 'access_denied', /Enable the client/],
    [{ error: 'invalid_client' }, 'bad_client', 'access_denied', /GMAIL_CLIENT_SECRET/],
  ];

  it.each(rejections)(
    'maps %o to %s with the state %s and its own remediation',
    async (body, code, state, step) => {
      const scripted = await startScriptedGmail([], (response) => {
        response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      });
      let rejectedCount = 0;
      const { rootUrl, tokenUrl } = scripted;
      const rejected = createGmailClient({
        access: emulatedAccess,
        rootUrl,
        tokenUrl,
        onCredentialsRejected: () => {
          rejectedCount += 1;
        },
      });
      const error = await errorOf(rejected.getProfile(context));
      expect(error).toMatchObject({ code, retry: 'never' });
      expect(error.remediation).toMatch(step);
      expect(requiresOperator(error.code) && operatorState(error.code)).toBe(state);
      expect([scripted.tokenCount, scripted.callCount, rejectedCount]).toEqual([1, 0, 1]);
      scripted.close();
    },
  );

  it('a rate limit of the token endpoint keeps its Retry-After', async () => {
    const scripted = await startScriptedGmail([], (response) => {
      response.writeHead(429, { 'retry-after': '900' }).end('{"error":"rate_limit_exceeded"}');
    });
    const { rootUrl, tokenUrl } = scripted;
    const limited = createGmailClient({ access: emulatedAccess, rootUrl, tokenUrl });
    const error = await errorOf(
      limited.getProfile({ deadline: Deadline.after(60_000), acquireUnits: async () => undefined }),
    );
    expect(error).toMatchObject({ code: 'gmail_unavailable', retryAfterMs: 900_000 });
    scripted.close();
  });
});

describe('grant', () => {
  it('keeps the scope and the remaining life of the refresh token of the last grant', async () => {
    const scripted = await startScriptedGmail([], (response) => {
      const grant = {
        access_token: 'a',
        expires_in: 3599,
        scope: 'https://www.googleapis.com/auth/gmail.readonly',
        refresh_token_expires_in: 604_799,
        token_type: 'Bearer',
      };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(grant));
    });
    const tokens = await createAccessTokens(emulatedAccess, scripted);
    expect(tokens.grant).toBeNull();
    expect(await tokens.getToken(Deadline.after(10_000))).toBe('a');
    expect(tokens.grant).toEqual({
      access_token: 'a',
      expires_in: 3599,
      scope: 'https://www.googleapis.com/auth/gmail.readonly',
      refresh_token_expires_in: 604_799,
    });
    scripted.close();
  });
});
