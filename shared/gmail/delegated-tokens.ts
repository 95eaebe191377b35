/**
 * Access tokens of a mailbox by domain-wide delegation, without a key: the IAM Credentials API signs a statement that names
 * the mailbox, and the token endpoint exchanges it. The caller shares one object per mailbox, which keeps the token.
 * Sources: https://developers.google.com/identity/protocols/oauth2/service-account#delegatingauthority
 *          https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signJwt
 */
import * as z from 'zod/mini';
import type { MailboxAccess } from '../mailbox-access.ts';
import { withTimeout } from '../timeout.ts';
import { toDelegationError, toSigningError } from './delegation-error.ts';
import { fromJson, noAnswer } from './gmail-error.ts';
import { ownAuthorization, requestGoogle } from './google-request.ts';
import {
  type AccessTokens,
  EAGER_REFRESH_MS,
  type Grant,
  outOfTime,
  readGrant,
  TOKEN_TIMEOUT_MS,
  type TokenUrls,
} from './grant.ts';

const GMAIL_SCOPE = 'https://www.googleapis.com/auth/gmail.readonly';
const GOOGLE_TOKEN_URL = 'https://oauth2.googleapis.com/token';
const GOOGLE_IAM_ROOT_URL = 'https://iamcredentials.googleapis.com/';
/** Google's maximum. */
const STATEMENT_LIFE_SECONDS = 3_600;

type Delegation = Extract<MailboxAccess, { readonly kind: 'delegation' }>;

const signedSchema = z.object({ signedJwt: z.string().check(z.minLength(1)) });

export function createDelegatedTokens(access: Delegation, urls: TokenUrls): AccessTokens {
  let grant: Grant | null = null;
  let token: { readonly value: string; readonly expiresAtMs: number } | null = null;
  let refreshing: Promise<string> | null = null;
  const refresh = async (): Promise<string> => {
    const work = fetchGrant(access, urls);
    grant = await withTimeout(TOKEN_TIMEOUT_MS, work, () => noAnswer('OAuth token', 'timed out'));
    const lifeMs = (grant.expires_in ?? Number.POSITIVE_INFINITY) * 1_000;
    token = { value: grant.access_token, expiresAtMs: Date.now() + lifeMs };
    return grant.access_token;
  };
  return {
    get grant() {
      return grant;
    },
    getToken: async (deadline) => {
      if (deadline.remainingMs() === 0) throw outOfTime();
      if (token !== null && Date.now() < token.expiresAtMs - EAGER_REFRESH_MS) return token.value;
      refreshing ??= refresh().finally(() => {
        refreshing = null;
      });
      // The refresh continues after the timeout, because other calls may wait for it too.
      return await withTimeout(deadline.remainingMs(), refreshing, outOfTime);
    },
    invalidateToken: (rejected) => {
      if (token?.value === rejected) token = null;
    },
  };
}

async function fetchGrant({ serviceAccount, subject }: Delegation, urls: TokenUrls): Promise<Grant> {
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const assertion = await signJwt(serviceAccount, urls.iamRootUrl ?? GOOGLE_IAM_ROOT_URL, {
    iss: serviceAccount,
    sub: subject,
    scope: GMAIL_SCOPE,
    aud: GOOGLE_TOKEN_URL,
    iat: nowSeconds,
    exp: nowSeconds + STATEMENT_LIFE_SECONDS,
  });
  const answer = await requestGoogle({
    what: 'OAuth token',
    url: urls.tokenUrl ?? GOOGLE_TOKEN_URL,
    form: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion },
  });
  return readGrant(answer, toDelegationError);
}

async function signJwt(serviceAccount: string, rootUrl: string, claims: object): Promise<string> {
  const answer = await requestGoogle({
    what: 'IAM signJwt',
    url: `${rootUrl}v1/projects/-/serviceAccounts/${encodeURIComponent(serviceAccount)}:signJwt`,
    json: { payload: JSON.stringify(claims) },
    headers: await ownAuthorization(rootUrl),
  });
  if (answer.status !== 200) throw toSigningError(answer);
  const parsed = signedSchema.safeParse(fromJson(answer.body));
  if (!parsed.success) throw noAnswer('IAM signJwt', 'an answer without a JWT');
  return parsed.data.signedJwt;
}
