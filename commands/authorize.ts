/**
 * `npm run authorize [-- OPTIONS]`: asks the owner of the mailbox once for consent, and gives the three variables that
 * let the system read it: to the terminal, to a `.env` file, or to the secrets of a deployment.
 */
import { join } from 'node:path';
import type { Environment } from '../shared/config.ts';
import { openBrowser } from './authorize/browser.ts';
import { askForConsent, type Consent, type GoogleEndpoints } from './authorize/consent.ts';
import { type DesktopClient, readDesktopClient } from './authorize/desktop-client.ts';
import { envLine, writeEnvFile } from './authorize/env-file.ts';
import { findSecrets, type SecretPlace, storeSecrets } from './authorize/secret-manager.ts';
import { UNHEARD } from './deploy/interruption.ts';
import { Programs } from './deploy/programs.ts';
import { runCommand } from './support/command.ts';
import { readFlags, say } from './support/terminal.ts';

const TIMEOUT_MS = 5 * 60_000;
const USAGE = `Usage: npm run authorize [-- OPTIONS]
Asks the owner of the mailbox once for consent to read it, in a browser, and prints the three variables.
  --client-secret FILE    the JSON of the OAuth client, instead of GMAIL_CLIENT_ID and GMAIL_CLIENT_SECRET
  --write                 puts the variables into .env instead of printing them
  --file FILE             with --write: another file than .env
  --secret-manager        stores them as new versions of the secrets of what is deployed, by gcloud; prints nothing
  --project PROJECT       with --secret-manager: the project, instead of asking Terraform
  --secret-prefix PREFIX  with --secret-manager: what stands before -client-id (default: as deployed, or
                          email-monitor-gmail)
  --port PORT             where the browser is awaited on this machine, for ssh -L (default: any that is free)
  --no-browser            only prints the URL
Without a browser on this machine, open the URL anywhere, agree, and paste the address that the browser ends at.`;

await runCommand(USAGE, authorize, {
  // The emulated Gmail has credentials of its own; these are of the real one.
  localStack: false,
});

async function authorize(): Promise<void> {
  const flags = readFlags(
    {
      'client-secret': { type: 'string' },
      file: { type: 'string' },
      'no-browser': { type: 'boolean', default: false },
      port: { type: 'string', default: '0' },
      project: { type: 'string' },
      'secret-manager': { type: 'boolean', default: false },
      'secret-prefix': { type: 'string' },
      write: { type: 'boolean', default: false },
    },
    USAGE,
  );
  const port = portOf(flags.port);
  if (flags.file !== undefined && !flags.write) throw new Error('--file goes with --write.');
  const named = { project: flags.project, prefix: flags['secret-prefix'] };
  if (!flags['secret-manager'] && (named.project ?? named.prefix) !== undefined)
    throw new Error('--project and --secret-prefix go with --secret-manager.');
  const client = readDesktopClient(flags['client-secret'], process.env);
  // `npm run` starts it in the folder of the project, which Terraform's is in.
  const programs = new Programs(process.cwd(), process.env, UNHEARD);
  // First: nobody is asked for a consent that has no place to go to.
  const place = flags['secret-manager'] ? await findSecrets(programs, named) : null;
  const consent = await askForConsent({
    client,
    endpoints: readEndpoints(process.env),
    timeoutMs: TIMEOUT_MS,
    port,
    pastes: {
      input: process.stdin,
      onUseless: () =>
        say(
          'That holds no answer of Google. Paste the whole address, as http://127.0.0.1:PORT/?state=...&code=...',
        ),
    },
    onUrl: (url, redirectUri) => {
      say(invitation(url, redirectUri));
      if (!flags['no-browser']) openBrowser(url);
    },
  });
  say(`\nAuthorized: ${consent.emailAddress}\n${warning(consent)}\n`);
  say(confirmation(consent));
  const file = flags.write ? (flags.file ?? join(import.meta.dirname, '../.env')) : null;
  if (file !== null || place === null) handOver(client, consent, file);
  if (place !== null) await store(programs, place, { ...client, refreshToken: consent.refreshToken });
}

function invitation(url: string, redirectUri: string): string {
  const { port } = new URL(redirectUri);
  return (
    `Open this URL and agree, with the account whose mail is to be read:\n\n${url}\n\n` +
    'Waiting for the browser. When it is on another machine: its last page will not load; paste the address of that ' +
    `page here and press Enter. Or, before opening the URL there: ssh -L ${port}:127.0.0.1:${port} THIS_MACHINE`
  );
}

/** @param file null prints the variables */
function handOver({ clientId, clientSecret }: DesktopClient, consent: Consent, file: string | null): void {
  const variables = {
    GMAIL_CLIENT_ID: clientId,
    GMAIL_CLIENT_SECRET: clientSecret,
    GMAIL_REFRESH_TOKEN: consent.refreshToken,
  };
  const names = Object.keys(variables).join(', ');
  if (file === null) {
    const lines = Object.entries(variables).map(([name, value]) => envLine(name, value));
    say(`For .env (secrets: show them to nobody):\n\n${lines.join('\n')}\n`);
  } else {
    writeEnvFile(file, variables);
    say(`Written to ${file}: ${names}.`);
  }
  say(
    'What is deployed does not have them: --secret-manager stores them there. `npm run doctor` checks them.',
  );
}

async function store(
  programs: Programs,
  place: SecretPlace,
  credentials: DesktopClient & { readonly refreshToken: string },
): Promise<void> {
  const stored = await storeSecrets(programs, place, {
    'client-id': credentials.clientId,
    'client-secret': credentials.clientSecret,
    'refresh-token': credentials.refreshToken,
  });
  say(`Stored in Secret Manager of ${place.projectId}:\n${stored.map((one) => `  ${one}`).join('\n')}`);
  say(
    'The functions read them within five minutes, without a deployment. The first time, turn it on: POST start.',
  );
}

/** Only the database knows whether it is needed, and from here it is mostly out of reach. */
function confirmation({ emailAddress }: Consent): string {
  return (
    'A database that knows another mailbox asks for a confirmation. For one more mailbox: ' +
    `POST start?new_mailbox=${encodeURIComponent(emailAddress)}. For a known mailbox with a new address: ` +
    'POST start?renamed_from=ITS_FORMER_ADDRESS.\n'
  );
}

function warning({ expiresInSeconds }: Consent): string {
  const remediation = 'Publish the app (or make it Internal) in the Cloud console, then authorize again.';
  return expiresInSeconds === null
    ? `If the consent screen is in publishing status "Testing", this token dies after 7 days. ${remediation}`
    : `This token dies in ${Math.round(expiresInSeconds / 86_400)} days: the consent screen is in "Testing". ${remediation}`;
}

function portOf(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new Error(`--port wants a number up to 65535, not "${text}".`);
}

function readEndpoints(env: Environment): GoogleEndpoints {
  const url = (name: string): string | null => {
    const value = env[name]?.trim();
    if (!value) return null;
    if (!/^https?:\/\//.test(value) || !URL.canParse(value)) {
      throw new Error(`${name} must be an http:// or https:// URL.`);
    }
    return value;
  };
  return {
    authUrl: url('GOOGLE_OAUTH_AUTH_URL'),
    tokenUrl: url('GOOGLE_OAUTH_TOKEN_URL'),
    gmailApiRootUrl: url('GMAIL_API_ROOT_URL')?.replace(/\/*$/, '/') ?? null,
  };
}
