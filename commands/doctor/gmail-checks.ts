/** Do the credentials work, do they allow enough, for how long, and which mailbox is it? Two calls, one quota unit. */
import type { Config } from '../../shared/config.ts';
import type { GmailCredentials } from '../../shared/credentials.ts';
import { Deadline } from '../../shared/deadline.ts';
import { createAccessTokens, type Grant } from '../../shared/gmail/access-tokens.ts';
import { createGmailClient } from '../../shared/gmail/gmail-client.ts';
import { type Finding, fail, failure, note, ok, skip, warn } from './finding.ts';

const CALL_MS = 20_000;
const DAY_SECONDS = 86_400;
const SCOPE_ROOT = 'https://www.googleapis.com/auth/';
/** Each of them lets whole messages be read. https://developers.google.com/workspace/gmail/api/auth/scopes */
const READING = [`${SCOPE_ROOT}gmail.readonly`, `${SCOPE_ROOT}gmail.modify`, 'https://mail.google.com/'];

export async function checkGmail(config: Config): Promise<Finding[]> {
  const { gmail: credentials } = config;
  const rest = ['scope', 'publishing_status', 'gmail_api'].map((name) => skip(name, 'not looked at'));
  if (credentials === null) {
    const { credentialProblems: problems, missingCredentials: missing } = config;
    const said = problems.length > 0 ? problems.join('; ') : `not set: ${missing.join(', ')}`;
    return [fail('credentials', said, 'Run `npm run authorize`, which obtains all three.'), ...rest];
  }
  const tokens = await createAccessTokens(credentials, config.oauthTokenUrl);
  try {
    await tokens.getToken(Deadline.after(CALL_MS));
  } catch (error) {
    return [failure('credentials', error), ...rest];
  }
  const scope = scopeFinding(tokens.grant?.scope);
  return [
    ok('credentials', 'Google gives a token for them'),
    scope,
    publishingFinding(tokens.grant, credentials),
    scope.state === 'fault' ? skip('gmail_api', 'not looked at') : await checkApi(config, credentials),
  ];
}

function scopeFinding(scope: string | undefined): Finding {
  if (scope === undefined)
    return note('scope', 'Google does not name it', 'The Gmail API below shows whether it is enough.');
  const short = scope.replaceAll(SCOPE_ROOT, '');
  return scope.split(' ').some((one) => READING.includes(one))
    ? ok('scope', short)
    : fail('scope', `${short} does not allow reading`, 'Run `npm run authorize` and agree to reading mail.');
}

/** No API tells an app's publishing status: only the token's end, where Google names it, and the page of the console. */
function publishingFinding(grant: Grant | null, { clientId }: GmailCredentials): Finding {
  const life = grant?.refresh_token_expires_in;
  const remediation = howToSeeStatus(clientId);
  if (life !== undefined && life > 0) {
    const days = (life / DAY_SECONDS).toFixed(1);
    return warn(
      'publishing_status',
      `the refresh token dies in ${days} days, as in status "Testing"`,
      remediation,
    );
  }
  return note(
    'publishing_status',
    'not to be seen from here: a token that works says nothing; in status "Testing" it dies 7 days after the consent',
    remediation,
  );
}

/** A client id begins with the number of its project. */
export function howToSeeStatus(clientId: string | null): string {
  const project = /^(\d+)-/.exec(clientId ?? '')?.[1];
  const page = `https://console.cloud.google.com/auth/audience${project === undefined ? '' : `?project=${project}`}`;
  return `See "Publishing status" at ${page}: publish the app, or make it Internal, then run \`npm run authorize\` again.`;
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
      acquireUnits: async () => undefined,
    });
    return ok('gmail_api', `answers for the mailbox ${profile.emailAddress}`);
  } catch (error) {
    return failure('gmail_api', error);
  }
}
