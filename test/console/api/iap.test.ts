/** The console behind Identity-Aware Proxy: only a request with a valid assertion is answered and recorded. */
import { createHmac, createPublicKey, generateKeyPairSync, type JsonWebKey, sign } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AUDIENCE, encoded, type FakeIap, startFakeIap } from '../../auth/fake-iap.ts';
import { createTestSystem, type Instance, type TestSystem } from '../../helpers/test-system.ts';

let iap: FakeIap;
let system: TestSystem;
let iapConsole: Instance;
let emailPath: string;
beforeAll(async () => {
  [iap, system] = await Promise.all([startFakeIap(), createTestSystem()]);
  system.gmail.deliver(Buffer.from('From: buyer@example.com\r\nSubject: Secretword\r\n\r\nSecretword'));
  await system.call('start');
  await system.call('pollNow');
  const [row] = await system.rows<{ id: number }>('select id from incoming_emails');
  emailPath = `/api/console/emails/${row?.id}`;
  iapConsole = behindIap();
});
beforeEach(async () => {
  await system.rows('truncate email_accesses');
});
afterAll(async () => await Promise.all([iap.close(), system.close()]));

function behindIap(): Instance {
  return system.instance({ K_SERVICE: 'console', IAP_AUDIENCE: AUDIENCE, IAP_KEYS_URL: iap.keysUrl });
}

const AGENT = 'service-123456789012@gcp-sa-iap.iam.gserviceaccount.com';
/** The headers that Cloud Run passes on with a request of the proxy, or of any other invoker. */
const headersWith = (assertion: string | null, caller = AGENT) => ({
  'sec-fetch-site': 'same-origin',
  'x-serverless-authorization': `Bearer e30.${encoded({ email: caller })}.SIGNATURE_REMOVED_BY_GOOGLE`,
  'x-goog-authenticated-user-email': 'accounts.google.com:eve@example.com',
  ...(assertion === null ? {} : { 'x-goog-iap-jwt-assertion': assertion }),
});
const get = async (instance: Instance, path: string, assertion: string | null, caller?: string) =>
  await instance.call('console', { path, method: 'GET', headers: headersWith(assertion, caller) });
const accounts = async () =>
  (await system.rows<{ account: string }>('select account from email_accesses')).map((row) => row.account);

it('serves an email for a valid assertion, and records its account', async () => {
  iapConsole.log.length = 0;
  expect((await get(iapConsole, emailPath, iap.assertion())).status).toBe(200);
  expect(await accounts()).toEqual(['ann@example.com']);
  expect(iapConsole.log.filter(({ event }) => event === 'email_accessed')).toMatchObject([
    { severity: 'INFO', account: 'ann@example.com' },
  ]);
});

it.each([
  ['expired 10 seconds ago', { ageSeconds: 600 + 10 }],
  ['issued 25 seconds in the future', { ageSeconds: -25 }],
])('accepts an assertion that is %s, because clocks differ', async (_name, options) => {
  expect((await get(iapConsole, emailPath, iap.assertion(options))).status).toBe(200);
});

const [head, claims, signature] = ['header', 'claims', 'signature'].keys();
/** The assertion with one of its three parts replaced. */
function withPart(part: number | undefined, replace: (own: string) => string): string {
  return iap
    .assertion()
    .split('.')
    .map((own, index) => (index === part ? replace(own) : own))
    .join('.');
}
const changedClaims = (own: string) =>
  encoded({ ...JSON.parse(Buffer.from(own, 'base64url').toString()), email: 'eve@example.com' });

/** The public key as the secret of an HMAC: a verifier that lets the token choose the algorithm accepts it. */
async function signedWithPublicKey(): Promise<string> {
  const { keys } = (await (await fetch(iap.keysUrl)).json()) as { keys: JsonWebKey[] };
  const pem = createPublicKey({ key: keys[0] ?? {}, format: 'jwk' }).export({ format: 'pem', type: 'spki' });
  const text = iap
    .assertion({ header: { alg: 'HS256' } })
    .split('.', 2)
    .join('.');
  return `${text}.${createHmac('sha256', pem).update(text).digest('base64url')}`;
}

function signedWithRsa(): string {
  const text = iap
    .assertion({ header: { alg: 'RS256' } })
    .split('.', 2)
    .join('.');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return `${text}.${sign('sha256', Buffer.from(text), privateKey).toString('base64url')}`;
}

const REJECTED: [name: string, reason: RegExp, assertion: () => string | null | Promise<string>][] = [
  ['no assertion', /has no assertion/, () => null],
  ['an empty assertion', /has no assertion/, () => ''],
  [
    'an assertion of another issuer',
    /issuer/,
    () => iap.assertion({ claims: { iss: 'https://accounts.google.com' } }),
  ],
  ['an assertion for another service', /service/, () => iap.assertion({ claims: { aud: `${AUDIENCE}-2` } })],
  ['an assertion for several services', /service/, () => iap.assertion({ claims: { aud: [AUDIENCE] } })],
  ['an assertion without an audience', /service/, () => iap.assertion({ claims: { aud: undefined } })],
  ['an assertion that expired 35 seconds ago', /expired/, () => iap.assertion({ ageSeconds: 600 + 35 })],
  ['an assertion without expiry', /expired/, () => iap.assertion({ claims: { exp: undefined } })],
  ['an assertion whose expiry is text', /expired/, () => iap.assertion({ claims: { exp: '9999999999' } })],
  ['an assertion issued 90 seconds in the future', /not valid yet/, () => iap.assertion({ ageSeconds: -90 })],
  [
    'an assertion without time of issue',
    /not valid yet/,
    () => iap.assertion({ claims: { iat: undefined } }),
  ],
  ['an assertion without an email address', /email/, () => iap.assertion({ claims: { email: undefined } })],
  ['an assertion signed with another key', /signature/i, () => iap.forged()],
  ['an assertion with an unknown key id', /unknown key/, () => iap.assertion({ header: { kid: 'other' } })],
  ['an assertion without a key id', /unknown key/, () => iap.assertion({ header: { kid: undefined } })],
  ['an assertion without a signature', /signature/i, () => withPart(signature, () => '')],
  ['an assertion whose claims were changed', /signature/i, () => withPart(claims, changedClaims)],
  [
    'an assertion with algorithm "none"',
    /ES256/,
    () => `${encoded({ alg: 'none', kid: 'key-1' })}.${iap.assertion().split('.')[1]}.`,
  ],
  ['an assertion signed with the public key as HS256', /ES256/, signedWithPublicKey],
  ['an assertion signed with RS256', /ES256/, signedWithRsa],
  ['an assertion with a header that is not JSON', /malformed/, () => withPart(head, () => 'bm9uc2Vuc2U')],
  ['an assertion with claims that are not an object', /malformed/, () => withPart(claims, () => 'bnVsbA')],
  ['an assertion with four parts', /malformed/, () => `${iap.assertion()}.x`],
  ['nonsense', /malformed/, () => 'nonsense'],
];

describe.each(REJECTED)('a request with %s', (name, reason, assertion) => {
  it(`is answered 401, shows nothing and records nothing: ${name}`, async () => {
    const text = await assertion();
    const instance = behindIap();
    const answered = await get(instance, emailPath, text);
    expect(answered.status).toBe(401);
    expect(answered.headers['content-type']).toBe('application/problem+json');
    expect(answered.json).toMatchObject({
      code: 'iap_assertion_rejected',
      detail: expect.stringMatching(reason),
    });
    expect(await accounts()).toEqual([]);
    expect(instance.log.filter(({ event }) => event === 'request_failed')).toHaveLength(1);
    const seen = JSON.stringify([answered, instance.log]);
    expect(seen).not.toMatch(/Secretword|ann@|eve@/);
    // The assertion is a credential.
    if (text !== null && text.length > 20) expect(seen).not.toContain(text.slice(0, 20));
  });
});

it.each([
  '/',
  '/assets/main.js',
  '/nothing-here',
  '/api/openapi.json',
  '/api/system/email-monitor/status',
  '/api/console/overview',
  '/api/console/emails',
])(
  'answers %s with 401 to every caller without an assertion, also to the account of the proxy',
  async (path) => {
    for (const caller of [AGENT, 'ann@example.com'])
      expect((await get(iapConsole, path, null, caller)).json).toMatchObject({
        code: 'iap_assertion_rejected',
      });
  },
);

it('neither starts, stops nor polls without an assertion', async () => {
  const before = await system.rows('select is_running from email_monitor_status');
  for (const verb of ['start', 'stop', 'poll-now'])
    expect(
      await iapConsole.call('console', {
        path: `/api/system/email-monitor/${verb}`,
        headers: headersWith(null, 'ann@example.com'),
      }),
    ).toMatchObject({ status: 401 });
  expect(await system.rows('select is_running from email_monitor_status')).toEqual(before);
});

it('serves page, API and status with an assertion', async () => {
  for (const path of ['/', '/api/openapi.json', '/api/system/email-monitor/status', '/api/console/overview'])
    expect((await get(iapConsole, path, iap.assertion())).status).toBe(200);
});

it('still refuses a request of another site that has an assertion', async () => {
  const headers = { ...headersWith(iap.assertion()), 'sec-fetch-site': 'cross-site' };
  const answered = await iapConsole.call('console', { path: emailPath, method: 'GET', headers });
  expect(answered.json).toMatchObject({ code: 'cross_site' });
  expect(await accounts()).toEqual([]);
});

it('answers 503 and serves nothing while the keys cannot be read', async () => {
  const instance = behindIap();
  iap.answerWith({ status: 500, body: '' });
  const answered = await get(instance, emailPath, iap.assertion());
  iap.answerWith(null);
  expect(answered.json).toMatchObject({ status: 503, code: 'iap_keys_unavailable' });
  expect(await accounts()).toEqual([]);
  expect((await get(instance, emailPath, iap.assertion())).status).toBe(200);
});

it('shows the problem as a page with security headers to a browser', async () => {
  const headers = { ...headersWith(null), accept: 'text/html' };
  const answered = await iapConsole.call('console', { path: '/', method: 'GET', headers });
  expect(answered).toMatchObject({ status: 401, body: expect.stringContaining('Identity-Aware Proxy') });
  expect(answered.headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'x-content-type-options': 'nosniff',
  });
});

it('without IAP_AUDIENCE, records the identity token and ignores even a genuine assertion', async () => {
  const cloud = system.instance({ K_SERVICE: 'console', IAP_KEYS_URL: iap.keysUrl });
  const before = iap.readCount();
  expect((await get(cloud, emailPath, iap.assertion(), 'ben@example.com')).status).toBe(200);
  expect((await get(cloud, emailPath, iap.assertion(), AGENT)).status).toBe(200);
  expect(await accounts()).toEqual(['ben@example.com', AGENT]);
  expect(iap.readCount()).toBe(before);
});
