/**
 * `npm run authorize [-- OPTIONS]`: asks the owner of the mailbox once for consent to read it. The three variables with
 * the credentials go to the terminal, to a `.env` file, or to the secrets of a deployment.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Environment } from '../shared/config.ts';
import { shellWord } from '../shared/operator-commands.ts';
import { askForConsent, type Consent, type GoogleEndpoints } from './authorize/consent.ts';
import { type DesktopClient, readDesktopClient } from './authorize/desktop-client.ts';
import { envLine, writeEnvFile } from './authorize/env-file.ts';
import { findSecretName } from './authorize/mailbox-secret-name.ts';
import { fileTarget, type MailboxTarget, secretTarget } from './authorize/mailbox-target.ts';
import {
  findSecrets,
  type NamedLocation,
  type SecretLocation,
  storeSecrets,
} from './authorize/secret-manager.ts';
import { CommandRunner } from './deploy/command-runner.ts';
import { callerPath } from './support/caller-path.ts';
import { runCommand } from './support/command.ts';
import { emailAddress, readFlags, UsageError, wholeNumber } from './support/flags.ts';
import { say } from './support/terminal.ts';

const TIMEOUT_MS = 5 * 60_000;
const USAGE = `Usage: npm run authorize [-- OPTIONS]
Asks the owner of the mailbox once, in a browser, for consent to read it, and prints the three variables.
  --client-secret FILE    the JSON file of the OAuth client, instead of GMAIL_CLIENT_ID and GMAIL_CLIENT_SECRET
  --write                 write the variables to .env instead of printing them
  --file FILE             with --write: write to this file instead of .env
  --secret-manager        store them with gcloud as new versions of the deployment's secrets, and do not print them
  --project PROJECT       with --secret-manager: the project, instead of reading it from Terraform
  --secret-prefix PREFIX  with --secret-manager: the part of the secrets' names before -client-id (default: the
                          deployment's, or email-monitor-gmail)
  --mailbox ADDRESS       for a mailbox of \`npm run mailbox\`: only this account may consent, and its credentials go to
                          one secret of its own. With --secret-manager, which creates the secret, or with --write,
                          which writes a file in the folder GMAIL_MAILBOX_SECRETS
  --port PORT             the port on this machine that the browser returns to, for ssh -L (default: any free port)
  --no-browser            only print the URL
If this machine has no browser, open the URL elsewhere, agree, and paste the address that the browser ends at.`;

await runCommand(USAGE, authorize, {
  // The credentials of the local stack belong to the emulated Gmail.
  localStack: false,
});

async function authorize(): Promise<void> {
  const flags = readFlags({
    'client-secret': { type: 'string' },
    file: { type: 'string' },
    mailbox: { type: 'string' },
    'no-browser': { type: 'boolean', default: false },
    port: { type: 'string', default: '0' },
    project: { type: 'string' },
    'secret-manager': { type: 'boolean', default: false },
    'secret-prefix': { type: 'string' },
    write: { type: 'boolean', default: false },
  });
  const port = wholeNumber('--port', flags.port, { max: 65_535 });
  if (flags.file !== undefined && !flags.write) throw new UsageError('--file needs --write.');
  const named = { project: flags.project, prefix: flags['secret-prefix'] };
  if (!flags['secret-manager']) {
    if (named.project !== undefined) throw new UsageError('--project needs --secret-manager.');
    if (named.prefix !== undefined) throw new UsageError('--secret-prefix needs --secret-manager.');
  }
  const address = flags.mailbox === undefined ? null : emailAddress('--mailbox', flags.mailbox);
  if (address !== null && flags['secret-manager'] === flags.write)
    throw new UsageError('--mailbox needs one of --secret-manager and --write.');
  if (address !== null && flags.file !== undefined)
    throw new UsageError(
      '--file does not work with --mailbox: the file is in the folder GMAIL_MAILBOX_SECRETS.',
    );
  const secretFile = flags['client-secret'];
  const client = readDesktopClient(secretFile && callerPath(secretFile), process.env);
  // `npm run` starts the command in the project's folder, which contains `terraform/`.
  const runner = new CommandRunner(process.cwd(), process.env);
  // Before the consent, so that the owner is not asked when the result could not be stored.
  const mailbox = address === null ? null : await findMailbox(runner, address, flags.write ? null : named);
  const location = flags['secret-manager'] && mailbox === null ? await findSecrets(runner, named) : null;
  const consent = await askForConsent({
    client,
    expectedAddress: address,
    endpoints: readEndpoints(process.env),
    timeoutMs: TIMEOUT_MS,
    port,
    pastes: {
      input: process.stdin,
      onInvalid: () =>
        say(
          "That is not a response from Google. Paste the browser's whole address: http://127.0.0.1:PORT/?state=...&code=...",
        ),
    },
    onUrl: (url, redirectUri) => {
      say(instructions(url, redirectUri));
      if (!flags['no-browser']) openBrowser(url);
    },
  });
  say(`\nAuthorized: ${consent.emailAddress}\n${warning(consent)}\n`);
  const credentials = { ...client, refreshToken: consent.refreshToken };
  if (mailbox !== null) {
    say(`Stored in ${await mailbox.target.store(credentials)}\n${mailbox.next}`);
    return;
  }
  say(confirmation(consent));
  const file = flags.write ? callerPath(flags.file ?? join(import.meta.dirname, '../.env')) : null;
  if (file !== null || location === null) printOrWrite(client, consent, file);
  if (location !== null) await store(runner, location, credentials);
}

/** @param named null: a file in the folder GMAIL_MAILBOX_SECRETS */
async function findMailbox(
  runner: CommandRunner,
  address: string,
  named: NamedLocation | null,
): Promise<{ readonly target: MailboxTarget; readonly next: string }> {
  const folder = process.env['GMAIL_MAILBOX_SECRETS']?.trim() ?? '';
  if (named === null && !folder.startsWith('/'))
    throw new UsageError('--mailbox with --write needs GMAIL_MAILBOX_SECRETS, an absolute folder.');
  const { isAdded, secretName } = await findSecretName(address, process.env);
  const target =
    named === null
      ? fileTarget(folder, secretName)
      : await secretTarget(runner, { address, secretName }, named);
  const added = isAdded === null ? 'If the mailbox was not added yet: ' : 'The mailbox was not added yet: ';
  const read = 'The functions read it within five minutes, without a deployment.';
  return {
    target,
    next: isAdded === true ? read : `${read}\n${added}npm run mailbox -- add ${shellWord(address)}`,
  };
}

function instructions(url: string, redirectUri: string): string {
  const { port } = new URL(redirectUri);
  return (
    `Open this URL and agree, with the account of the mailbox:\n\n${url}\n\n` +
    'Waiting for the browser. If the browser is on another machine, its last page does not load: paste the address of ' +
    `that page here and press Enter. Or run this there before you open the URL: ssh -L ${port}:127.0.0.1:${port} THIS_MACHINE`
  );
}

/** Without a browser nothing happens: the URL is printed too. */
function openBrowser(url: string): void {
  const [program, ...args] = browserCommand(url);
  const child = spawn(program, args, { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
}

function browserCommand(url: string): [program: string, ...args: string[]] {
  if (process.platform === 'darwin') return ['open', url];
  // Not `start` of cmd: the shell would cut the URL at its first ampersand.
  if (process.platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler', url];
  return ['xdg-open', url];
}

/** @param file null: print the variables */
function printOrWrite(
  { clientId, clientSecret }: DesktopClient,
  consent: Consent,
  file: string | null,
): void {
  const variables = {
    GMAIL_CLIENT_ID: clientId,
    GMAIL_CLIENT_SECRET: clientSecret,
    GMAIL_REFRESH_TOKEN: consent.refreshToken,
  };
  const names = Object.keys(variables).join(', ');
  if (file === null) {
    const lines = Object.entries(variables).map(([name, value]) => envLine(name, value));
    say(`For .env (these are secrets; do not share them):\n\n${lines.join('\n')}\n`);
  } else {
    writeEnvFile(file, variables);
    say(`Written to ${file}: ${names}.`);
  }
  say(
    'A deployment does not have them yet: --secret-manager stores them there. `npm run doctor` checks them.',
  );
}

async function store(
  runner: CommandRunner,
  location: SecretLocation,
  credentials: DesktopClient & { readonly refreshToken: string },
): Promise<void> {
  const stored = await storeSecrets(runner, location, {
    'client-id': credentials.clientId,
    'client-secret': credentials.clientSecret,
    'refresh-token': credentials.refreshToken,
  });
  say(`Stored in Secret Manager of ${location.projectId}:\n${stored.map((one) => `  ${one}`).join('\n')}`);
  say(
    'The functions read them within five minutes, without a deployment. The first time, then call POST start.',
  );
}

/** Always printed: only the database knows whether the mailbox needs it, and this command usually cannot reach it. */
function confirmation({ emailAddress }: Consent): string {
  return (
    'If the database already has another mailbox, confirm this one. To add it: ' +
    `POST start?new_mailbox=${encodeURIComponent(emailAddress)}. If a known mailbox got this address: ` +
    'POST start?renamed_from=ITS_FORMER_ADDRESS.\n'
  );
}

function warning({ expiresInSeconds }: Consent): string {
  const remediation = 'Publish the app (or make it Internal) in the Cloud console, then authorize again.';
  return expiresInSeconds === null
    ? `If the consent screen has the publishing status "Testing", this token expires after 7 days. ${remediation}`
    : `This token expires in ${Math.round(expiresInSeconds / 86_400)} days: the consent screen is in "Testing". ${remediation}`;
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
