import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManyAccounts, type RunningGmail, startEmulatedGmail } from '../../emulators/gmail/emulated-gmail.ts';
import { FAULTS, type GoogleFault } from '../../emulators/google-faults.ts';
import { type EmulatedSigner, startSignJwt } from '../../emulators/iam/sign-jwt.ts';
import { Deadline } from '../../shared/deadline.ts';
import { type ErrorCode, operatorState, requiresOperator } from '../../shared/errors.ts';
import { createAccessTokens } from '../../shared/gmail/access-tokens.ts';
import { type CallContext, createGmailClient, type GmailClient } from '../../shared/gmail/gmail-client.ts';
import { errorOf } from './client-fixture.ts';
import { startScriptedGmail } from './scripted-gmail.ts';

const SERVICE_ACCOUNT = 'reader@orders-example.iam.gserviceaccount.com';
const context: CallContext = { deadline: Deadline.after(600_000), acquireUnits: async () => undefined };

let accounts: ManyAccounts;
let server: RunningGmail;
let signer: EmulatedSigner;
let rejectedCount: number;

beforeEach(async () => {
  accounts = new ManyAccounts({ quotaUnitsPerMinute: null });
  for (const name of ['first', 'ann', 'bob']) accounts.add({ emailAddress: `${name}@example.com` });
  server = await startEmulatedGmail(accounts);
  signer = await startSignJwt([SERVICE_ACCOUNT]);
  rejectedCount = 0;
});
afterEach(async () => {
  await server.close();
  signer.close();
});

function clientOf(subject: string, more: { serviceAccount?: string; tokenUrl?: string } = {}): GmailClient {
  return createGmailClient({
    access: { kind: 'delegation', serviceAccount: more.serviceAccount ?? SERVICE_ACCOUNT, subject },
    rootUrl: server.rootUrl,
    tokenUrl: more.tokenUrl ?? server.tokenUrl,
    iamRootUrl: signer.rootUrl,
    sleep: async () => undefined,
    onCredentialsRejected: () => {
      rejectedCount += 1;
    },
  });
}

function tokenCalls(): number {
  return accounts.all.reduce((sum, one) => sum + (one.callLog.countByMethod['token'] ?? 0), 0);
}

describe('a mailbox with delegation', () => {
  it('signs a statement that names the mailbox, the scope and the token endpoint, and is valid for an hour', async () => {
    const before = Math.floor(Date.now() / 1_000);
    expect((await clientOf('ann@example.com').getProfile(context)).emailAddress).toBe('ann@example.com');
    expect(signer.claims).toEqual([
      {
        iss: SERVICE_ACCOUNT,
        sub: 'ann@example.com',
        scope: 'https://www.googleapis.com/auth/gmail.readonly',
        aud: 'https://oauth2.googleapis.com/token',
        iat: expect.any(Number),
        exp: expect.any(Number),
      },
    ]);
    const { exp, iat } = signer.claims[0] ?? {};
    expect(Number(iat)).toBeGreaterThanOrEqual(before);
    expect(Number(exp) - Number(iat)).toBe(3_600);
  });

  it('fetches one token for many concurrent calls and keeps it, each mailbox its own', async () => {
    const [ann, bob] = [clientOf('ann@example.com'), clientOf('bob@example.com')];
    await Promise.all(Array.from({ length: 20 }, async () => await ann.getProfile(context)));
    await ann.getProfile(context);
    expect([signer.callCount, tokenCalls()]).toEqual([1, 1]);
    expect((await bob.getProfile(context)).emailAddress).toBe('bob@example.com');
    expect([signer.callCount, tokenCalls()]).toEqual([2, 2]);
  });

  it('signs again when Gmail rejects the token once, and before the token expires', async () => {
    const ann = clientOf('ann@example.com');
    await ann.getProfile(context);
    accounts.byAddress('ann@example.com')?.expireAccessTokens();
    expect((await ann.getProfile(context)).emailAddress).toBe('ann@example.com');
    expect(signer.callCount).toBe(2);
    for (const one of accounts.all) one.oauth.accessTokenSeconds = 20;
    accounts.byAddress('ann@example.com')?.expireAccessTokens();
    await ann.getProfile(context);
    const statuses = accounts
      .byAddress('ann@example.com')
      ?.callLog.calls.map((call) => call.status)
      .slice(-2);
    await ann.getProfile(context);
    expect(signer.callCount).toBe(4);
    expect(statuses).not.toContain(401);
  });

  it('ends a call at its deadline although the signing hangs, and joins the same signing later', async () => {
    signer.fault = 'hang';
    const tokens = await createAccessTokens(
      { kind: 'delegation', serviceAccount: SERVICE_ACCOUNT, subject: 'ann@example.com' },
      { tokenUrl: server.tokenUrl, iamRootUrl: signer.rootUrl },
    );
    for (let call = 0; call < 2; call += 1)
      expect(await errorOf(tokens.getToken(Deadline.after(30)))).toMatchObject({ code: 'out_of_time' });
    expect(signer.callCount).toBe(1);
  });
});

describe('an error of the signing', () => {
  it.each<[string, GoogleFault, ErrorCode, RegExp, number]>([
    ['denied', FAULTS.denied, 'delegation_signing_denied', /serviceAccountTokenCreator/, 1],
    ['disabled', FAULTS.apiDisabled, 'delegation_api_disabled', /enable iamcredentials\.googleapis\.com/, 1],
    ['not found', FAULTS.notFound, 'delegation_account_missing', /service-accounts list/, 1],
    ['unavailable', FAULTS.unavailable, 'gmail_unavailable', /iamcredentials\.googleapis\.com/, 4],
    ['reset', 'reset', 'gmail_unavailable', /tried again/, 4],
    [
      'rate-limited',
      { code: 429, status: 'RESOURCE_EXHAUSTED', reason: 'RATE_LIMIT_EXCEEDED' },
      'gmail_unavailable',
      /tried again/,
      4,
    ],
    [
      'unauthenticated',
      { code: 401, status: 'UNAUTHENTICATED', reason: 'ACCESS_TOKEN_TYPE_UNSUPPORTED' },
      'google_credentials_missing',
      /application-default login/,
      1,
    ],
  ])('that is %s causes its own error and remediation', async (_, fault, code, remediation, calls) => {
    signer.fault = fault;
    const error = await errorOf(clientOf('ann@example.com').getProfile(context));
    expect(error).toMatchObject({ code, message: expect.stringMatching(/^IAM signJwt: /) });
    expect(error.remediation).toMatch(remediation);
    expect([signer.callCount, tokenCalls()]).toEqual([calls, 0]);
    expect(rejectedCount).toBe(requiresOperator(code) ? 1 : 0);
  });

  it('keeps its Retry-After', async () => {
    signer.fault = { ...FAULTS.unavailable, retryAfterSeconds: 900 };
    const error = await errorOf(
      clientOf('ann@example.com').getProfile({ ...context, deadline: Deadline.after(60_000) }),
    );
    expect(error).toMatchObject({ code: 'gmail_unavailable', retryAfterMs: 900_000 });
  });

  it('names an account that does not exist', async () => {
    const unknown = clientOf('ann@example.com', {
      serviceAccount: 'gone@orders-example.iam.gserviceaccount.com',
    });
    expect(await errorOf(unknown.getProfile(context))).toMatchObject({ code: 'delegation_account_missing' });
  });
});

describe('an error of the exchange', () => {
  it('says that the domain does not allow the service account, until it does', async () => {
    const ann = accounts.byAddress('ann@example.com');
    if (ann) ann.oauth.allowsDelegation = false;
    const error = await errorOf(clientOf('ann@example.com').getProfile(context));
    expect(error).toMatchObject({
      code: 'delegation_not_allowed',
      message: 'OAuth token: 401 unauthorized_client.',
    });
    expect(error.remediation).toMatch(/domain-wide delegation.*client id.*gmail\.readonly/s);
    expect(requiresOperator(error.code) && operatorState(error.code)).toBe('access_denied');
  });

  it('says that the domain has no such mailbox', async () => {
    const error = await errorOf(clientOf('carol@example.com').getProfile(context));
    expect(error).toMatchObject({ code: 'mailbox_not_found', message: 'OAuth token: 400 invalid_grant.' });
    expect(error.remediation).toMatch(/Admin console under Users/);
  });

  it.each<[number, object, ErrorCode]>([
    [
      400,
      { error: 'invalid_grant', error_description: 'Invalid JWT: Token must be short-lived.' },
      'gmail_unavailable',
    ],
    [400, { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' }, 'gmail_unavailable'],
    [400, { error: 'invalid_grant', error_description: 'hush' }, 'mailbox_not_found'],
    [403, { error: 'access_denied', error_description: 'hush' }, 'delegation_not_allowed'],
    [400, { error: 'admin_policy_enforced' }, 'delegation_not_allowed'],
    [400, { error: 'invalid_scope' }, 'delegation_not_allowed'],
    [401, { error: 'invalid_client' }, 'delegation_account_missing'],
    [401, { error: 'deleted_client' }, 'delegation_account_missing'],
    [401, { error: 'disabled_client' }, 'delegation_account_missing'],
    [400, { error: 'something_new' }, 'gmail_denied'],
    [503, { error: 'server_error' }, 'gmail_unavailable'],
    [403, { message: 'the page of a proxy' }, 'gmail_unavailable'],
  ])('with status %i and %o causes %s', async (status, body, code) => {
    const scripted = await startScriptedGmail([], (response) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    const { tokenUrl } = scripted;
    const error = await errorOf(clientOf('ann@example.com', { tokenUrl }).getProfile(context));
    scripted.close();
    expect(error.code).toBe(code);
    expect(scripted.tokenCount).toBe(code === 'gmail_unavailable' ? 4 : 1);
  });
});
