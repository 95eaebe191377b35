/** The keys of Identity-Aware Proxy: when they are read, kept and refused. `test/console/api/iap.test.ts` has the assertions. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createAssertionVerifier } from '../shared/iap.ts';
import { AUDIENCE, type FakeIap, startFakeIap } from './auth/fake-iap.ts';

const ACCOUNT = 'ann@example.com';
const MINUTE_MS = 60_000;

let iap: FakeIap;
/** Time that passes for the verifier. The fake issues its assertions at the present time. */
let passedMs: number;
let verify: (assertion: string) => Promise<string>;
beforeEach(async () => {
  iap = await startFakeIap();
  passedMs = 0;
  verify = createAssertionVerifier({
    audience: AUDIENCE,
    keysUrl: iap.keysUrl,
    now: () => Date.now() + passedMs,
  });
});
afterEach(async () => await iap.close());

/** Issued when the verifier's clock shows the present time. */
const freshAssertion = () => iap.assertion({ ageSeconds: -Math.floor(passedMs / 1_000) });

it('reads the keys once for many assertions, and once for concurrent ones', async () => {
  const all = Array.from({ length: 5 }, async () => await verify(freshAssertion()));
  expect(await Promise.all(all)).toEqual(Array(5).fill(ACCOUNT));
  passedMs += 59 * MINUTE_MS;
  expect(await verify(freshAssertion())).toBe(ACCOUNT);
  expect(iap.readCount()).toBe(1);
});

it('reads the keys again after an hour, and then refuses a withdrawn key', async () => {
  await verify(freshAssertion());
  passedMs += 60 * MINUTE_MS;
  const signedWithOldKey = freshAssertion();
  iap.rotate();
  await expect(verify(signedWithOldKey)).rejects.toMatchObject({ code: 'iap_assertion_rejected' });
  expect(iap.readCount()).toBe(2);
});

it('reads the keys again for a new key, at most once per minute', async () => {
  await verify(freshAssertion());
  iap.rotate();
  await expect(verify(freshAssertion())).rejects.toMatchObject({
    code: 'iap_assertion_rejected',
    message: 'The assertion is signed with an unknown key.',
  });
  expect(iap.readCount()).toBe(1);
  passedMs += MINUTE_MS;
  expect(await verify(freshAssertion())).toBe(ACCOUNT);
  expect(iap.readCount()).toBe(2);
});

it.each([
  ['answers 500', { status: 500, body: '' }],
  ['answers with a redirect', { status: 302, body: '' }],
  ['answers with a page', { status: 200, body: '<html>' }],
  ['answers with other JSON', { status: 200, body: '{"key-1":"PEM"}' }],
  ['answers with a key that is no key', { status: 200, body: '{"keys":[{"kid":"key-1","kty":"EC"}]}' }],
])('throws iap_keys_unavailable while the key server %s, and recovers', async (_name, answer) => {
  iap.answerWith(answer);
  await expect(verify(freshAssertion())).rejects.toMatchObject({ code: 'iap_keys_unavailable', status: 503 });
  iap.answerWith(null);
  expect(await verify(freshAssertion())).toBe(ACCOUNT);
});

it('ignores published keys of a kind that it does not know', async () => {
  const { keys } = (await (await fetch(iap.keysUrl)).json()) as { keys: object[] };
  const newer = { kid: 'newer', kty: 'AKP', alg: 'ML-DSA-44', pub: 'AAAA' };
  iap.answerWith({ status: 200, body: JSON.stringify({ keys: [newer, null, ...keys] }) });
  expect(await verify(freshAssertion())).toBe(ACCOUNT);
});

it('takes no keys from an error, and follows no redirect to other keys', async () => {
  const body = await (await fetch(iap.keysUrl)).text();
  const other = `${iap.keysUrl}?other`;
  for (const answer of [
    { status: 500, body },
    { status: 302, body, headers: { location: other } },
  ]) {
    // Once: where the redirect leads to, the keys are served.
    iap.answerWith(answer, 1);
    await expect(verify(freshAssertion())).rejects.toMatchObject({ code: 'iap_keys_unavailable' });
  }
});

it('throws iap_keys_unavailable while nothing answers, also for a key that was known an hour ago', async () => {
  await verify(freshAssertion());
  await iap.close();
  expect(await verify(freshAssertion())).toBe(ACCOUNT);
  passedMs += 60 * MINUTE_MS;
  await expect(verify(freshAssertion())).rejects.toMatchObject({
    code: 'iap_keys_unavailable',
    message: expect.stringMatching(/^127\.0\.0\.1:\d+ did not return the keys\.$/),
  });
  iap = await startFakeIap();
});

it('reads no keys for what is not an assertion', async () => {
  for (const text of ['', 'nonsense', 'a.b.c', `${freshAssertion()}.d`])
    await expect(verify(text)).rejects.toMatchObject({ code: 'iap_assertion_rejected' });
  expect(iap.readCount()).toBe(0);
});
