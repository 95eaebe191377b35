/** Checks the credentials, their scope and lifetime, and the Gmail API. Two calls, one quota unit. */
import type { Config } from '../../shared/config.ts';
import { UNREADABLE_FILE_REMEDIATION } from '../../shared/control/status/advice.ts';
import type { GmailCredentials } from '../../shared/credentials.ts';
import { Deadline } from '../../shared/deadline.ts';
import { AppError } from '../../shared/errors.ts';
import { createAccessTokens } from '../../shared/gmail/access-tokens.ts';
import { type CallContext, createGmailClient, type GmailClient } from '../../shared/gmail/gmail-client.ts';
import type { Grant } from '../../shared/gmail/grant.ts';
import type { MailboxAccess } from '../../shared/mailbox-access.ts';
import { type CheckResult, fail, failure, info, ok, skip, warn } from './check-result.ts';

const CALL_MS = 20_000;
const DAY_SECONDS = 86_400;
const SCOPE_ROOT = 'https://www.googleapis.com/auth/';
/** Each of these allows reading whole messages. https://developers.google.com/workspace/gmail/api/auth/scopes */
const READ_SCOPES = [`${SCOPE_ROOT}gmail.readonly`, `${SCOPE_ROOT}gmail.modify`, 'https://mail.google.com/'];

const REST = ['scope', 'publishing_status', 'gmail_api'];

/** Of the first mailbox, whose credentials are environment variables. */
export async function checkGmail(config: Config): Promise<CheckResult[]> {
  const { gmail: credentials } = config;
  if (credentials !== null) return await checkAccess(config, { kind: 'refresh_token', credentials }, null);
  const { credentialProblems: problems, missingCredentials: missing } = config;
  return [
    problems.length > 0
      ? fail('credentials', problems.join('; '), UNREADABLE_FILE_REMEDIATION)
      : fail(
          'credentials',
          `not set: ${missing.join(', ')}`,
          'Run `npm run authorize`, which obtains all three.',
        ),
    ...REST.map((name) => skip(name, 'not checked')),
  ];
}

/** @param expectedAddress the mailbox that the access must belong to, in lower case; null: any */
export async function checkAccess(
  config: Config,
  access: MailboxAccess,
  expectedAddress: string | null,
): Promise<CheckResult[]> {
  const tokens = await createAccessTokens(access, {
    tokenUrl: config.oauthTokenUrl,
    iamRootUrl: config.iamCredentialsApiRootUrl,
  });
  try {
    await tokens.getToken(Deadline.after(CALL_MS));
  } catch (error) {
    return [failure('credentials', error), ...REST.map((name) => skip(name, 'not checked'))];
  }
  const scope = checkScope(tokens.grant?.scope);
  return [
    ok('credentials', 'Google accepts them and returns a token'),
    scope,
    access.kind === 'delegation'
      ? skip('publishing_status', 'does not apply to delegation')
      : checkPublishingStatus(tokens.grant, access.credentials),
    scope.state === 'fail'
      ? skip('gmail_api', 'not checked')
      : await checkApi(config, access, expectedAddress),
  ];
}

function checkScope(scope: string | undefined): CheckResult {
  if (scope === undefined)
    return info(
      'scope',
      'Google does not report it',
      'The check of the Gmail API below shows whether it is enough.',
    );
  const short = scope.replaceAll(SCOPE_ROOT, '');
  return scope.split(' ').some((one) => READ_SCOPES.includes(one))
    ? ok('scope', short)
    : fail('scope', `${short} does not allow reading`, 'Run `npm run authorize` and agree to reading email.');
}

/**
 * No API returns the publishing status of an app. Only the Cloud console shows it, and the token's lifetime if Google
 * reports one.
 */
function checkPublishingStatus(grant: Grant | null, { clientId }: GmailCredentials): CheckResult {
  const lifetime = grant?.refresh_token_expires_in;
  const remediation = publishingStatusHelp(clientId);
  if (lifetime !== undefined && lifetime > 0) {
    const days = (lifetime / DAY_SECONDS).toFixed(1);
    return warn(
      'publishing_status',
      `the refresh token expires in ${days} days, as with status "Testing"`,
      remediation,
    );
  }
  return info(
    'publishing_status',
    'cannot be checked from here; with status "Testing", a token works but expires 7 days after the consent',
    remediation,
  );
}

/** How to check the publishing status. A client id begins with the number of its project. */
export function publishingStatusHelp(clientId: string | null): string {
  const project = /^(\d+)-/.exec(clientId ?? '')?.[1];
  const page = `https://console.cloud.google.com/auth/audience${project === undefined ? '' : `?project=${project}`}`;
  return `Check "Publishing status" at ${page}. If it is "Testing", publish the app or make it Internal, then run \`npm run authorize\` again.`;
}

async function checkApi(
  config: Config,
  access: MailboxAccess,
  expectedAddress: string | null,
): Promise<CheckResult> {
  try {
    const { emailAddress } = await doctorClient(config, access).getProfile(doctorCall());
    if (expectedAddress !== null && emailAddress.toLowerCase() !== expectedAddress)
      throw new AppError('wrong_account', `They are those of ${emailAddress}, not of ${expectedAddress}.`);
    return ok('gmail_api', `answers for the mailbox ${emailAddress}`);
  } catch (error) {
    return failure('gmail_api', error);
  }
}

export function doctorClient(config: Config, access: MailboxAccess): GmailClient {
  return createGmailClient({
    access,
    rootUrl: config.gmailApiRootUrl,
    tokenUrl: config.oauthTokenUrl,
    iamRootUrl: config.iamCredentialsApiRootUrl,
  });
}

/** Units are not reserved: the quota budget leaves room for the few of a check. */
export function doctorCall(): CallContext {
  return { deadline: Deadline.after(CALL_MS), acquireUnits: async () => undefined };
}
