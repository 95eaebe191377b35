import { expect, it } from 'vitest';
import { callerOf } from '../shared/caller.ts';

const jwt = (claims: object) =>
  `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.SIGNATURE_REMOVED_BY_GOOGLE`;
const bearer = (email: string) => `Bearer ${jwt({ email })}`;
const IAP = 'service-1@gcp-sa-iap.iam.gserviceaccount.com';

it.each<[string, Record<string, string>, string]>([
  ['the account of the identity token', { authorization: bearer('ann@example.com') }, 'ann@example.com'],
  [
    'the account of the token that Cloud Run verifies when there are two',
    { authorization: bearer('forged@example.com'), 'x-serverless-authorization': bearer('ann@example.com') },
    'ann@example.com',
  ],
  [
    'the account of the token, whatever the headers of Identity-Aware Proxy claim',
    {
      authorization: bearer('ann@example.com'),
      'x-goog-iap-jwt-assertion': jwt({ email: 'ben@example.com' }),
      'x-goog-authenticated-user-email': 'accounts.google.com:ben@example.com',
    },
    'ann@example.com',
  ],
  [
    'the account of the proxy itself when the assertion is not verified',
    {
      'x-serverless-authorization': bearer(IAP),
      'x-goog-iap-jwt-assertion': jwt({ email: 'ben@example.com' }),
    },
    IAP,
  ],
  [
    '"unknown" when only headers of Identity-Aware Proxy name an account',
    {
      'x-goog-iap-jwt-assertion': jwt({ email: 'ben@example.com' }),
      'x-goog-authenticated-user-email': 'accounts.google.com:ben@example.com',
    },
    'unknown',
  ],
  ['"unknown" without a token', {}, 'unknown'],
  ['"unknown" for an access token', { authorization: 'Bearer ya29.a.b' }, 'unknown'],
])('callerOf returns %s', (_name, headers, account) => {
  expect(callerOf({ headers }, true)).toBe(account);
});

it('callerOf returns "local" outside of the cloud, where no one has verified a token', () => {
  expect(callerOf({ headers: { authorization: bearer('ann@example.com') } }, false)).toBe('local');
});
