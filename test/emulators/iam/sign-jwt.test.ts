import { afterEach, beforeEach, expect, it } from 'vitest';
import { FAULTS } from '../../../emulators/google-faults.ts';
import { type EmulatedSigner, startSignJwt } from '../../../emulators/iam/sign-jwt.ts';

const ACCOUNT = 'reader@p.iam.gserviceaccount.com';

let signer: EmulatedSigner;
beforeEach(async () => {
  signer = await startSignJwt([ACCOUNT]);
});
afterEach(() => signer.close());

async function sign(payload: unknown, account = ACCOUNT, headers: Record<string, string> = {}) {
  const url = `${signer.rootUrl}v1/projects/-/serviceAccounts/${encodeURIComponent(account)}:signJwt`;
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ payload }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

it('signs a claims set and returns a compact JWT with it', async () => {
  const claims = { sub: 'ann@example.com', exp: Math.floor(Date.now() / 1_000) + 3_600 };
  const { body, status } = await sign(JSON.stringify(claims));
  const [header = '', payload = '', signature = ''] = String(body['signedJwt']).split('.');
  const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  expect([status, decode(header).alg, decode(payload)]).toEqual([200, 'HS256', claims]);
  expect(Buffer.from(signature, 'base64url')).toHaveLength(32);
  expect(signer.claims).toEqual([claims]);
});

it.each([
  ['has passed', JSON.stringify({ exp: 1 })],
  ['is more than 12 hours ahead', JSON.stringify({ exp: Math.floor(Date.now() / 1_000) + 50_000 })],
  ['is no number', JSON.stringify({ exp: 'soon' })],
])('rejects a claims set whose exp %s', async (_, payload) => {
  expect(await sign(payload)).toMatchObject({ status: 400, body: { error: { status: 'INVALID_ARGUMENT' } } });
  expect(signer.claims).toEqual([]);
});

it('rejects a payload that is no claims set, an unknown account and a web page', async () => {
  expect((await sign({ sub: 'x' })).status).toBe(400);
  expect((await sign('{}', 'gone@p.iam.gserviceaccount.com')).status).toBe(404);
  expect((await sign('{}', ACCOUNT, { origin: 'https://example.com' })).status).toBe(403);
  expect(signer.claims).toEqual([]);
});

it('answers with an injected error in the form of Google, with its reason', async () => {
  signer.fault = FAULTS.apiDisabled;
  expect(await sign('{}')).toMatchObject({
    status: 403,
    body: { error: { code: 403, status: 'PERMISSION_DENIED', details: [{ reason: 'SERVICE_DISABLED' }] } },
  });
});
