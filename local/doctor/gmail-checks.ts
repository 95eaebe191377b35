/** Do the credentials work, do they allow enough, and which mailbox is it? Two calls, one quota unit. */
import type { Config } from '../../shared/config.ts';
import type { GmailCredentials } from '../../shared/credentials.ts';
import { Deadline } from '../../shared/deadline.ts';
import { createAccess } from '../../shared/gmail/access.ts';
import { createGmailClient } from '../../shared/gmail/gmail-client.ts';
import { type Finding, fail, failure, ok, skip } from './finding.ts';

const CALL_MS = 20_000;
const SCOPE_ROOT = 'https://www.googleapis.com/auth/';
/** Each of them lets whole messages be read. https://developers.google.com/workspace/gmail/api/auth/scopes */
const READING = [`${SCOPE_ROOT}gmail.readonly`, `${SCOPE_ROOT}gmail.modify`, 'https://mail.google.com/'];

export async function checkGmail(config: Config): Promise<Finding[]> {
  const { gmail: credentials } = config;
  if (credentials === null) {
    const missing = config.missingCredentials.join(', ');
    return [
      fail('credentials', `not set: ${missing}`, 'Run `npm run authorize`, which obtains all three.'),
      skip('scope', 'not looked at'),
      skip('Gmail API', 'not looked at'),
    ];
  }
  const token = await checkToken(config, credentials);
  if (token.some((finding) => finding.state === 'FAIL'))
    return [...token, skip('Gmail API', 'not looked at')];
  return [...token, await checkApi(config, credentials)];
}

async function checkToken(config: Config, credentials: GmailCredentials): Promise<Finding[]> {
  const access = createAccess(credentials, config.oauthTokenUrl);
  try {
    await access.ensureToken(Deadline.after(CALL_MS));
  } catch (error) {
    return [failure('credentials', error), skip('scope', 'not looked at')];
  }
  return [ok('credentials', 'Google gives a token for them'), scopeFinding(access.auth.credentials.scope)];
}

function scopeFinding(scope: string | undefined): Finding {
  if (scope === undefined) return ok('scope', 'Google does not name it');
  const short = scope.replaceAll(SCOPE_ROOT, '');
  return scope.split(' ').some((one) => READING.includes(one))
    ? ok('scope', short)
    : fail('scope', `${short} does not allow reading`, 'Run `npm run authorize` and agree to reading mail.');
}

async function checkApi(config: Config, credentials: GmailCredentials): Promise<Finding> {
  const client = createGmailClient({
    credentials,
    rootUrl: config.gmailApiRootUrl,
    tokenUrl: config.oauthTokenUrl,
  });
  try {
    const profile = await client.getProfile({
      deadline: Deadline.after(CALL_MS),
      // A unit outside of the budget, which has room for it.
      pay: async () => undefined,
    });
    return ok('Gmail API', `answers for the mailbox ${profile.emailAddress}`);
  } catch (error) {
    return failure('Gmail API', error);
  }
}
