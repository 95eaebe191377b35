/**
 * `npm run authorize [-- --client-secret FILE] [--write] [--no-browser]`: asks the owner of the mailbox once for
 * consent, and gives the three variables that let the system read it.
 */
import { join } from 'node:path';
import { openBrowser } from '../local/authorize/browser.ts';
import { askForConsent, type Consent, type GoogleEndpoints } from '../local/authorize/consent.ts';
import { type DesktopClient, readDesktopClient } from '../local/authorize/desktop-client.ts';
import { envLine, writeEnvFile } from '../local/authorize/env-file.ts';
import type { Environment } from '../shared/config.ts';
import { runCommand } from './command.ts';
import { readFlags, say } from './terminal.ts';

const TIMEOUT_MS = 5 * 60_000;
const USAGE = `Usage: npm run authorize [-- OPTIONS]
  --client-secret FILE  the JSON of the OAuth client, instead of GMAIL_CLIENT_ID and GMAIL_CLIENT_SECRET
  --write               put the three variables into .env instead of printing them
  --env-file FILE       with --write: another file than .env
  --no-browser          only print the URL`;

await runCommand(USAGE, async () => {
  const flags = readFlags(
    {
      'client-secret': { type: 'string' },
      'env-file': { type: 'string' },
      'no-browser': { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
    },
    USAGE,
  );
  const client = readDesktopClient(flags['client-secret'], process.env);
  const consent = await askForConsent({
    client,
    endpoints: readEndpoints(process.env),
    timeoutMs: TIMEOUT_MS,
    onUrl: (url, redirectUri) => {
      const { port } = new URL(redirectUri);
      say(
        `Open this URL and agree, with the account whose mail is to be read:\n\n${url}\n\n` +
          `Waiting for the browser. From another machine, first: ssh -L ${port}:127.0.0.1:${port} THIS_MACHINE`,
      );
      if (!flags['no-browser']) openBrowser(url);
    },
  });
  say(`\nAuthorized: ${consent.emailAddress}\n${warning(consent)}\n`);
  handOver(client, consent, flags.write ? (flags['env-file'] ?? join(import.meta.dirname, '../.env')) : null);
});

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
  say('What is deployed needs the new GMAIL_REFRESH_TOKEN as well. `npm run doctor` checks all of it.');
}

function warning({ expiresInSeconds }: Consent): string {
  const cure = 'Publish the app (or make it Internal) in the Cloud console, then authorize again.';
  return expiresInSeconds === null
    ? `If the consent screen is in publishing status "Testing", this token dies after 7 days. ${cure}`
    : `This token dies in ${Math.round(expiresInSeconds / 86_400)} days: the consent screen is in "Testing". ${cure}`;
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
