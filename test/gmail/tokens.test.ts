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
import { faultOf } from './client-bench.ts';
import { type Script, scriptGmail } from './scripted-gmail.ts';

let gmail: EmulatedGmail;
let server: RunningGmail;
let client: GmailClient;
const context: CallContext = { deadline: Deadline.after(600_000), acquireUnits: async () => undefined };

beforeEach(async () => {
  gmail = new EmulatedGmail({ quotaUnitsPerMinute: null });
  server = await startEmulatedGmail(gmail);
  client = clientWith({});
});
afterEach(() => server.close());

function clientWith(credentials: Partial<Record<keyof typeof emulatedCredentials, string>>): GmailClient {
  return createGmailClient({
    credentials: { ...emulatedCredentials, ...credentials },
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
  if (!(error instanceof AppError)) throw new Error('not a fault of ours', { cause: error });
  for (const secret of Object.values(emulatedCredentials)) {
    expect(`${error.message} ${error.remediation}`).not.toContain(secret);
  }
  return error.code;
}

describe('an access token', () => {
  it('is fetched once for many calls at once, and kept', async () => {
    await Promise.all(Array.from({ length: 20 }, async () => await client.getProfile(context)));
    await client.getProfile(context);
    expect([calls('token'), calls('getProfile')]).toEqual([1, 21]);
  });

  it('that Gmail refuses is renewed once, and the call made again', async () => {
    await client.getProfile(context);
    gmail.expireAccessTokens();
    expect((await client.getProfile(context)).emailAddress).toBe('orders@example.com');
    expect([calls('token'), calls('getProfile')]).toEqual([2, 3]);
  });

  it('is renewed before its time is up, so that no call goes out with one that dies on the way', async () => {
    gmail.oauth.accessTokenSeconds = 20;
    await client.getProfile(context);
    const before = calls('token');
    await client.getProfile(context);
    expect(calls('token')).toBeGreaterThan(before);
    expect(gmail.callLog.calls.map((call) => call.status)).not.toContain(401);
  });

  it('whose refusals arrive one after another is renewed once all the same', async () => {
    // The first refusal is answered at once, the second only when the first call has its new token.
    const renewed = Promise.withResolvers<void>();
    let given = 0;
    const give: Script = (response) => {
      given += 1;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ access_token: `token-${given}`, expires_in: 3600 }));
    };
    const profile = JSON.stringify({ emailAddress: 'orders@example.com', historyId: '1' });
    let refusals = 0;
    const answer: Script = async (response, request) => {
      if (request.headers.authorization === 'Bearer token-1') {
        refusals += 1;
        if (refusals === 2) await renewed.promise;
        response.writeHead(401).end('{}');
      } else response.writeHead(200, { 'content-type': 'application/json' }).end(profile);
    };
    const scripted = await scriptGmail([answer], give);
    const { rootUrl, tokenUrl } = scripted;
    const two = createGmailClient({ credentials: emulatedCredentials, rootUrl, tokenUrl });
    const both = [two.getProfile(context), two.getProfile(context)];
    await Promise.race(both);
    renewed.resolve();
    await Promise.all(both);
    expect(given).toBe(2);
    scripted.close();
  });

  it('that is refused even when it is new means that a person has to authorize again', async () => {
    gmail.faults.add({ kind: 'status', status: 401, method: 'getProfile' });
    expect(await codeOf(client.getProfile(context))).toBe('reauth_required');
    expect([calls('token'), calls('getProfile')]).toEqual([2, 2]);
  });
});

describe('the token endpoint', () => {
  it('that refuses the refresh token ends the call at once, until somebody has authorized again', async () => {
    gmail.revokeRefreshToken();
    expect(await codeOf(client.getProfile(context))).toBe('reauth_required');
    expect([calls('token'), calls('getProfile')]).toEqual([1, 0]);
    gmail.reauthorize(emulatedCredentials.refreshToken);
    expect((await client.getProfile(context)).emailAddress).toBe('orders@example.com');
  });

  it('that refuses it in the middle of things does so at the next call', async () => {
    await client.getProfile(context);
    gmail.revokeRefreshToken();
    expect(await codeOf(client.getProfile(context))).toBe('reauth_required');
  });

  it.each([{ clientId: 'another.apps.googleusercontent.com' }, { clientSecret: 'wrong' }])(
    'that does not know the client %o ends the call at once',
    async (wrong) => {
      expect(await codeOf(clientWith(wrong).getProfile(context))).toBe('bad_client');
      expect([calls('token'), calls('getProfile')]).toEqual([1, 0]);
    },
  );

  it.each<[string, Omit<Extract<FaultRule, { kind: 'status' }>, 'kind'>, ErrorCode]>([
    ['is away', { status: 503 }, 'gmail_unavailable'],
    ['has enough of us', { status: 429 }, 'gmail_unavailable'],
    [
      'has enough of us in its own words',
      { status: 403, reason: 'rate_limit_exceeded' },
      'gmail_unavailable',
    ],
    ['fails inside', { status: 400, reason: 'internal_failure' }, 'gmail_unavailable'],
    [
      'is answered for by something that speaks no OAuth',
      { status: 403, reason: 'Go away!' },
      'gmail_unavailable',
    ],
    ['refuses the client in other words', { status: 401, reason: 'invalid_request' }, 'bad_client'],
    ['does not find the client any more', { status: 401, reason: 'deleted_client' }, 'deleted_client'],
    ['refuses the use of the client', { status: 400, reason: 'unauthorized_client' }, 'bad_client'],
  ])('that %s gives %o as %s', async (_, rule, code) => {
    gmail.faults.add({ kind: 'status', ...rule, method: 'token' });
    expect(await codeOf(client.getProfile(context))).toBe(code);
    expect(calls('token')).toBe(code === 'gmail_unavailable' ? 4 : 1);
    expect(calls('getProfile')).toBe(0);
  });

  it.each<FaultRule>([{ kind: 'reset' }, { kind: 'truncate' }, { kind: 'notJson' }])(
    'that answers with %o is asked again, and the call goes on',
    async (fault) => {
      gmail.faults.add({ ...fault, method: 'token', times: 1 });
      expect((await client.getProfile(context)).emailAddress).toBe('orders@example.com');
      expect([calls('token'), calls('getProfile')]).toEqual([2, 1]);
    },
  );
});

describe('a refusal of the token endpoint', () => {
  const refusals: [object, ErrorCode, 'reauth_required' | 'access_denied', RegExp][] = [
    [{ error: 'invalid_grant' }, 'reauth_required', 'reauth_required', /npm run authorize/],
    [
      { error: 'invalid_grant', error_subtype: 'invalid_rapt' },
      'workspace_session_expired',
      'reauth_required',
      /exempts the app.*domain-wide delegation.*only hours/,
    ],
    [
      { error: 'invalid_grant', error_subtype: 'rapt_required' },
      'workspace_session_expired',
      'reauth_required',
      /exempts the app/,
    ],
    [
      { error: 'invalid_grant', error_description: 'reauth related error (invalid_rapt)' },
      'workspace_session_expired',
      'reauth_required',
      /exempts the app/,
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

  it.each(refusals)(
    '%o is told apart as %s, with the state %s and its own next step',
    async (body, code, state, step) => {
      const scripted = await scriptGmail([], (response) => {
        response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      });
      let refusedCount = 0;
      const { rootUrl, tokenUrl } = scripted;
      const refused = createGmailClient({
        credentials: emulatedCredentials,
        rootUrl,
        tokenUrl,
        onCredentialsRefused: () => {
          refusedCount += 1;
        },
      });
      const error = await faultOf(refused.getProfile(context));
      expect(error).toMatchObject({ code, retry: 'never' });
      expect(error.remediation).toMatch(step);
      expect(requiresOperator(error.code) && operatorState(error.code)).toBe(state);
      expect([scripted.tokenCount, scripted.callCount, refusedCount]).toEqual([1, 0, 1]);
      scripted.close();
    },
  );

  it('for the rate keeps its Retry-After', async () => {
    const scripted = await scriptGmail([], (response) => {
      response.writeHead(429, { 'retry-after': '900' }).end('{"error":"rate_limit_exceeded"}');
    });
    const { rootUrl, tokenUrl } = scripted;
    const limited = createGmailClient({ credentials: emulatedCredentials, rootUrl, tokenUrl });
    const error = await faultOf(
      limited.getProfile({ deadline: Deadline.after(60_000), acquireUnits: async () => undefined }),
    );
    expect(error).toMatchObject({ code: 'gmail_unavailable', retryAfterMs: 900_000 });
    scripted.close();
  });
});

describe('the last grant', () => {
  it('keeps the scope and the remaining life of the refresh token, for the doctor', async () => {
    const scripted = await scriptGmail([], (response) => {
      const grant = {
        access_token: 'a',
        expires_in: 3599,
        scope: 'https://www.googleapis.com/auth/gmail.readonly',
        refresh_token_expires_in: 604_799,
        token_type: 'Bearer',
      };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(grant));
    });
    const tokens = await createAccessTokens(emulatedCredentials, scripted.tokenUrl);
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
