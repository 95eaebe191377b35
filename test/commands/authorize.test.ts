import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { askForConsent } from '../../commands/authorize/consent.ts';
import { withVariables } from '../../commands/authorize/env-file.ts';
import {
  EmulatedGmail,
  emulatedCredentials,
  type RunningGmail,
  startEmulatedGmail,
} from '../../emulators/gmail/emulated-gmail.ts';
import { freePort } from '../../local/ports.ts';
import { type CommandProcess, runToEnd, startCommand } from '../helpers/command-process.ts';

// Each command is a separate process, which starts slowly on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

const { clientId, clientSecret } = emulatedCredentials;
const folder = mkdtempSync(join(tmpdir(), 'authorize-test-'));
let gmail: EmulatedGmail;
let server: RunningGmail;

beforeEach(async () => {
  gmail = new EmulatedGmail({ emailAddress: 'orders@example.com' });
  server = await startEmulatedGmail(gmail);
});
afterEach(async () => await server.close());
afterAll(() => rmSync(folder, { recursive: true }));

function environment(): Record<string, string> {
  return {
    GMAIL_CLIENT_ID: clientId,
    GMAIL_CLIENT_SECRET: clientSecret,
    GMAIL_API_ROOT_URL: server.rootUrl,
    GOOGLE_OAUTH_TOKEN_URL: server.tokenUrl,
    GOOGLE_OAUTH_AUTH_URL: server.authUrl,
  };
}

function start(args: string[] = [], env: Record<string, string> = {}): CommandProcess {
  return startCommand('authorize', ['--no-browser', ...args], { ...environment(), ...env });
}

/** Opens the URL as a browser; the emulated Google agrees and redirects back. */
async function consent(command: CommandProcess, change: (url: URL) => void = () => undefined) {
  const [shown] = await command.printed(/http:\S+code_challenge\S+/);
  const url = new URL(shown);
  change(url);
  const answer = await fetch(url);
  const page = await answer.text();
  return { url: new URL(shown), status: answer.status, page, code: await command.ended() };
}

describe('npm run authorize', () => {
  it('reads and writes files of the folder that the operator called npm in', async () => {
    const client = { installed: { client_id: clientId, client_secret: clientSecret } };
    writeFileSync(join(folder, 'client_secret.json'), JSON.stringify(client));
    const command = start(['--client-secret', 'client_secret.json', '--write', '--file', 'called.env'], {
      GMAIL_CLIENT_ID: '',
      GMAIL_CLIENT_SECRET: '',
      INIT_CWD: folder,
    });
    const { code } = await consent(command);
    expect(code).toBe(0);
    expect(command.output).toContain(`Written to ${join(folder, 'called.env')}: `);
    expect(readFileSync(join(folder, 'called.env'), 'utf8')).toContain(`GMAIL_CLIENT_ID=${clientId}\n`);
  });

  it('prints the three variables of the mailbox whose owner agrees', async () => {
    const command = start();
    const { url, status, page, code } = await consent(command);
    expect(code).toBe(0);
    expect(status).toBe(200);
    expect(page).toContain('can now read the mailbox orders@example.com');
    expect(command.output).toContain('Authorized: orders@example.com');
    expect(command.output).toContain(`GMAIL_CLIENT_ID=${clientId}\nGMAIL_CLIENT_SECRET=${clientSecret}\n`);
    expect(command.output).toMatch(/^GMAIL_REFRESH_TOKEN=1\/\/emulated-[0-9a-f]{48}$/m);
    expect(command.output).toContain('expires after 7 days');
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      client_id: clientId,
      response_type: 'code',
      scope: 'https://www.googleapis.com/auth/gmail.readonly',
      access_type: 'offline',
      prompt: 'consent',
      code_challenge_method: 'S256',
    });
    expect(url.searchParams.get('redirect_uri')).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(url.searchParams.get('state')?.length).toBeGreaterThan(20);
  });

  it('writes the variables to a file without printing them, and keeps its other lines', async () => {
    const file = join(folder, 'kept.env');
    writeFileSync(
      file,
      '# orders\nDATABASE_URL=postgres://localhost/x\nGMAIL_REFRESH_TOKEN=old\nLOG_LEVEL=info\n',
    );
    const command = start(['--write', '--file', file]);
    expect((await consent(command)).code).toBe(0);
    expect(readFileSync(file, 'utf8')).toMatch(
      new RegExp(
        '^# orders\nDATABASE_URL=postgres://localhost/x\nGMAIL_REFRESH_TOKEN=1//emulated-[0-9a-f]+\n' +
          `LOG_LEVEL=info\nGMAIL_CLIENT_ID=${clientId}\nGMAIL_CLIENT_SECRET=${clientSecret}\n$`,
      ),
    );
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(command.output).not.toContain('1//');
    expect(command.output).not.toContain(clientSecret);
  });

  it('reads the client from the JSON file of the Cloud console', async () => {
    const file = join(folder, 'client_secret.json');
    writeFileSync(file, JSON.stringify({ installed: { client_id: clientId, client_secret: clientSecret } }));
    const command = start(['--client-secret', file], { GMAIL_CLIENT_ID: '', GMAIL_CLIENT_SECRET: '' });
    expect((await consent(command)).code).toBe(0);
    expect(command.output).toContain(`GMAIL_CLIENT_ID=${clientId}\n`);
  });

  it('rejects the file of a web client, and names the type to create', async () => {
    const file = join(folder, 'web.json');
    writeFileSync(file, JSON.stringify({ web: { client_id: clientId, client_secret: clientSecret } }));
    const { code, output } = await runToEnd('authorize', ['--client-secret', file], {});
    expect(code).toBe(1);
    expect(output).toContain('belongs to a web application');
    expect(output).toContain('"Desktop app"');
  });

  it('explains where to get a client when none is configured', async () => {
    const { code, output } = await runToEnd('authorize', [], {
      GMAIL_CLIENT_ID: '',
      GMAIL_CLIENT_SECRET: '',
    });
    expect(code).toBe(1);
    expect(output).toContain('--client-secret client_secret.json');
  });

  it('explains in the terminal and in the browser what to do when the consent is denied', async () => {
    gmail.oauth.denyConsent = true;
    const command = start();
    const { status, page, code } = await consent(command);
    expect(code).toBe(1);
    expect(status).toBe(400);
    for (const text of [page, command.output]) expect(text).toContain('The consent was denied');
  });

  it('ignores a redirect with a wrong state', async () => {
    const command = start();
    const { status, code } = await consent(command, (url) => url.searchParams.set('state', 'forged'));
    expect([status, code]).toEqual([400, 1]);
    expect(command.output).toContain('does not belong to this run');
    expect(gmail.callLog.countByMethod['token']).toBeUndefined();
  });

  it('explains how to get a refresh token when Google returns none', async () => {
    const command = start();
    const { code } = await consent(command, (url) => url.searchParams.set('access_type', 'online'));
    expect(code).toBe(1);
    expect(command.output).toContain('https://myaccount.google.com/connections');
  });

  it('rejects a consent that does not include reading email', async () => {
    const command = start();
    const { code } = await consent(command, (url) =>
      url.searchParams.set('scope', 'https://www.googleapis.com/auth/gmail.labels'),
    );
    expect(code).toBe(1);
    expect(command.output).toContain('tick the box for Gmail');
  });

  it('prints the lifetime of the token when Google reports one', async () => {
    gmail.oauth.refreshTokenSeconds = 604_799;
    const command = start();
    await consent(command);
    expect(command.output).toContain('This token expires in 7 days: the consent screen is in "Testing"');
  });

  it('names a deleted OAuth client and the type to create', async () => {
    gmail.faults.add({ kind: 'status', status: 401, reason: 'deleted_client', method: 'token' });
    const command = start();
    expect((await consent(command)).code).toBe(1);
    expect(command.output).toMatch(/was deleted \(deleted_client\).*"Desktop app".*--client-secret/);
  });

  it('explains an expired or used code', async () => {
    const command = start();
    const [shown] = await command.printed(/http:\S+code_challenge\S+/);
    const away = await fetch(shown, { redirect: 'manual' });
    const answer = new URL(away.headers.get('location') ?? '');
    answer.searchParams.set('code', '4/0-expired-code');
    expect((await fetch(answer)).status).toBe(400);
    expect(await command.ended()).toBe(1);
    expect(command.output).toMatch(/invalid_grant\): it is valid once and for ten minutes\. Run `npm run/);
    expect(command.output).not.toContain('expired-code');
  });

  it('names the administrator when the Workspace does not allow the app', async () => {
    const command = start();
    const [shown] = await command.printed(/http:\S+code_challenge\S+/);
    const { searchParams } = new URL(shown);
    const query = new URLSearchParams({
      error: 'admin_policy_enforced',
      state: searchParams.get('state') ?? '',
    });
    await fetch(`${searchParams.get('redirect_uri')}/?${query}`);
    expect(await command.ended()).toBe(1);
    expect(command.output).toContain('Admin console');
  });

  it('listens on the port of --port, and reports one that is taken', async () => {
    const port = await freePort();
    const first = start(['--port', String(port)]);
    await first.printed(new RegExp(`redirect_uri=http%3A%2F%2F127\\.0\\.0\\.1%3A${port}&`));
    const second = start(['--port', String(port)]);
    expect(await second.ended()).toBe(1);
    expect(second.output).toContain(`Port ${port} of this machine is taken. Choose another with --port`);
    expect((await consent(first)).code).toBe(0);
    const invalid = start(['--port', '70000']);
    expect([await invalid.ended(), invalid.output]).toEqual([1, expect.stringContaining('65535')]);
  });

  it('ignores the credentials of the local stack', async () => {
    writeFileSync(join(folder, 'env'), 'GMAIL_CLIENT_ID="local"\nGMAIL_CLIENT_SECRET="local-secret"\n');
    const { code, output } = await runToEnd('authorize', [], { LOCAL_DATA_DIR: folder });
    expect([code, output]).toEqual([1, expect.stringContaining('No OAuth client')]);
  });

  it('reports a wrong client secret without printing it', async () => {
    const command = start([], { GMAIL_CLIENT_SECRET: 'wrong-secret' });
    expect((await consent(command)).code).toBe(1);
    expect(command.output).toContain('invalid_client');
    expect(command.output).not.toContain('wrong-secret');
  });

  it('reports a Gmail API that is not enabled', async () => {
    gmail.faults.add({ kind: 'status', status: 403, reason: 'accessNotConfigured', method: 'getProfile' });
    const command = start();
    expect((await consent(command)).code).toBe(1);
    expect(command.output).toContain('Enable the Gmail API');
  });

  it('ends when no redirect comes in time', async () => {
    const asked = askForConsent({
      client: { clientId, clientSecret },
      endpoints: { authUrl: server.authUrl, tokenUrl: server.tokenUrl, gmailApiRootUrl: server.rootUrl },
      timeoutMs: 1,
      onUrl: () => undefined,
    });
    await expect(asked).rejects.toThrow(/No redirect came from the browser.*paste here.*deleted_client/);
  });

  it('keeps waiting when the browser requests another page', async () => {
    const command = start();
    const [, redirect] = await command.printed(/redirect_uri=(\S+?)&/);
    const root = decodeURIComponent(redirect ?? '');
    expect((await fetch(`${root}/favicon.ico`)).status).toBe(404);
    expect((await fetch(root)).status).toBe(404);
    expect((await consent(command)).code).toBe(0);
  });
});

describe('npm run authorize without a browser', () => {
  /** The owner agrees on another machine, where the browser ends at an address that does not load. */
  async function addressElsewhere(command: CommandProcess): Promise<URL> {
    const [shown] = await command.printed(/http:\S+code_challenge\S+/);
    const away = await fetch(shown, { redirect: 'manual' });
    return new URL(away.headers.get('location') ?? '');
  }
  const startWithInput = () => startCommand('authorize', ['--no-browser'], environment(), undefined, 'open');

  it('accepts the pasted address that the browser ended at', async () => {
    const command = startWithInput();
    const address = await addressElsewhere(command);
    expect(command.output).toContain('paste the address');
    command.type(`  ${address.href}  `);
    expect(await command.ended()).toBe(0);
    expect(command.output).toMatch(/^GMAIL_REFRESH_TOKEN=1\/\/emulated-/m);
  });

  it('keeps waiting after a paste that is not a redirect', async () => {
    const command = startWithInput();
    const address = await addressElsewhere(command);
    command.type('');
    command.type('https://accounts.google.com/signin');
    await command.printed(/not a response from Google/);
    command.type(address.search);
    expect(await command.ended()).toBe(0);
  });

  it('ignores a pasted address of another run', async () => {
    const command = startWithInput();
    const address = await addressElsewhere(command);
    address.searchParams.set('state', 'forged');
    command.type(address.href);
    expect(await command.ended()).toBe(1);
    expect(command.output).toContain('does not belong to this run');
    expect(gmail.callLog.countByMethod['token']).toBeUndefined();
  });

  it('also accepts the redirect of a browser, and ends', async () => {
    const command = startWithInput();
    expect((await consent(command)).code).toBe(0);
  });
});

describe('withVariables', () => {
  it('appends new variables and keeps one line per name', () => {
    expect(withVariables('', { A: '1' })).toBe('A=1\n');
    expect(withVariables('B=2', { A: '1' })).toBe('B=2\nA=1\n');
    expect(withVariables('A=0\nB=2\nexport A=3\n', { A: '1' })).toBe('A=1\nB=2\n');
  });

  it('keeps line endings and comments', () => {
    expect(withVariables('# A=0\r\nA = 0\r\n\r\n', { A: '1' })).toBe('# A=0\r\nA=1\r\n\r\n');
  });

  it('quotes values that a parser of .env files would cut', () => {
    expect(withVariables('', { A: 'a#b c' })).toBe("A='a#b c'\n");
    expect(() => withVariables('', { A: 'a\nB=2' })).toThrow('cannot be written to a .env file');
  });
});
