import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { askForConsent } from '../../local/authorize/consent.ts';
import { withVariables } from '../../local/authorize/env-file.ts';
import {
  EmulatedGmail,
  emulatedCredentials,
  type RunningGmail,
  startEmulatedGmail,
} from '../../local/gmail/emulated-gmail.ts';
import { type CommandProcess, runToEnd, startCommand } from '../helpers/command-process.ts';

// Each command is a process of its own, and a busy machine starts it slowly.
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

function start(args: string[] = [], env: Record<string, string> = {}): CommandProcess {
  return startCommand('authorize', ['--no-browser', ...args], {
    GMAIL_CLIENT_ID: clientId,
    GMAIL_CLIENT_SECRET: clientSecret,
    GMAIL_API_ROOT_URL: server.rootUrl,
    GOOGLE_OAUTH_TOKEN_URL: server.tokenUrl,
    GOOGLE_OAUTH_AUTH_URL: server.authUrl,
    ...env,
  });
}

/** The person opens the URL; the emulated Google agrees and sends the browser back. */
async function consent(command: CommandProcess, change: (url: URL) => void = () => undefined) {
  const [shown] = await command.printed(/http:\S+code_challenge\S+/);
  const url = new URL(shown);
  change(url);
  const answer = await fetch(url);
  const page = await answer.text();
  return { url: new URL(shown), status: answer.status, page, code: await command.ended() };
}

describe('npm run authorize', () => {
  it('gives the three variables of the mailbox whose owner agrees', async () => {
    const command = start();
    const { url, status, page, code } = await consent(command);
    expect(code).toBe(0);
    expect(status).toBe(200);
    expect(page).toContain('orders@example.com can be read now');
    expect(command.output).toContain('Authorized: orders@example.com');
    expect(command.output).toContain(`GMAIL_CLIENT_ID=${clientId}\nGMAIL_CLIENT_SECRET=${clientSecret}\n`);
    expect(command.output).toMatch(/^GMAIL_REFRESH_TOKEN=1\/\/emulated-[0-9a-f]{48}$/m);
    expect(command.output).toContain('dies after 7 days');
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

  it('writes them into a file without showing them, and keeps its other lines', async () => {
    const file = join(folder, 'kept.env');
    writeFileSync(
      file,
      '# orders\nDATABASE_URL=postgres://localhost/x\nGMAIL_REFRESH_TOKEN=old\nLOG_LEVEL=info\n',
    );
    const command = start(['--write', '--env-file', file]);
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

  it('takes the client from the file of the Cloud console', async () => {
    const file = join(folder, 'client_secret.json');
    writeFileSync(file, JSON.stringify({ installed: { client_id: clientId, client_secret: clientSecret } }));
    const command = start(['--client-secret', file], { GMAIL_CLIENT_ID: '', GMAIL_CLIENT_SECRET: '' });
    expect((await consent(command)).code).toBe(0);
    expect(command.output).toContain(`GMAIL_CLIENT_ID=${clientId}\n`);
  });

  it('refuses the file of a web client, and says which type to make', async () => {
    const file = join(folder, 'web.json');
    writeFileSync(file, JSON.stringify({ web: { client_id: clientId, client_secret: clientSecret } }));
    const { code, output } = await runToEnd('authorize', ['--client-secret', file], {});
    expect(code).toBe(1);
    expect(output).toContain('is of a web application');
    expect(output).toContain('"Desktop app"');
  });

  it('says where a client comes from when there is none', async () => {
    const { code, output } = await runToEnd('authorize', [], {
      GMAIL_CLIENT_ID: '',
      GMAIL_CLIENT_SECRET: '',
    });
    expect(code).toBe(1);
    expect(output).toContain('--client-secret client_secret.json');
  });

  it('says what to do when the consent is denied, in the browser as well', async () => {
    gmail.oauth.denyConsent = true;
    const command = start();
    const { status, page, code } = await consent(command);
    expect(code).toBe(1);
    expect(status).toBe(400);
    for (const text of [page, command.output]) expect(text).toContain('The consent was denied');
  });

  it('takes nothing from an answer with a wrong state', async () => {
    const command = start();
    const { status, code } = await consent(command, (url) => url.searchParams.set('state', 'forged'));
    expect([status, code]).toEqual([400, 1]);
    expect(command.output).toContain('does not belong to this run');
    expect(gmail.callLog.countByMethod['token']).toBeUndefined();
  });

  it('says how to get a refresh token when Google gives none', async () => {
    const command = start();
    const { code } = await consent(command, (url) => url.searchParams.set('access_type', 'online'));
    expect(code).toBe(1);
    expect(command.output).toContain('https://myaccount.google.com/connections');
  });

  it('refuses a consent that does not cover reading mail', async () => {
    const command = start();
    const { code } = await consent(command, (url) =>
      url.searchParams.set('scope', 'https://www.googleapis.com/auth/gmail.labels'),
    );
    expect(code).toBe(1);
    expect(command.output).toContain('tick the box for Gmail');
  });

  it('names a wrong client secret', async () => {
    const command = start([], { GMAIL_CLIENT_SECRET: 'wrong-secret' });
    expect((await consent(command)).code).toBe(1);
    expect(command.output).toContain('invalid_client');
    expect(command.output).not.toContain('wrong-secret');
  });

  it('names a Gmail API that is not enabled', async () => {
    gmail.faults.add({ kind: 'status', status: 403, reason: 'accessNotConfigured', method: 'getProfile' });
    const command = start();
    expect((await consent(command)).code).toBe(1);
    expect(command.output).toContain('Enable the Gmail API');
  });

  it('ends when nobody answers in time', async () => {
    const asked = askForConsent({
      client: { clientId, clientSecret },
      endpoints: { authUrl: server.authUrl, tokenUrl: server.tokenUrl, gmailApiRootUrl: server.rootUrl },
      timeoutMs: 1,
      onUrl: () => undefined,
    });
    await expect(asked).rejects.toThrow('No answer came from the browser');
  });

  it('goes on waiting when the browser asks for something else', async () => {
    const command = start();
    const [, redirect] = await command.printed(/redirect_uri=(\S+?)&/);
    const root = decodeURIComponent(redirect ?? '');
    expect((await fetch(`${root}/favicon.ico`)).status).toBe(404);
    expect((await fetch(root)).status).toBe(404);
    expect((await consent(command)).code).toBe(0);
  });
});

describe('a .env file', () => {
  it('gets new lines at its end, and one for each name', () => {
    expect(withVariables('', { A: '1' })).toBe('A=1\n');
    expect(withVariables('B=2', { A: '1' })).toBe('B=2\nA=1\n');
    expect(withVariables('A=0\nB=2\nexport A=3\n', { A: '1' })).toBe('A=1\nB=2\n');
  });

  it('keeps its line ends and comments', () => {
    expect(withVariables('# A=0\r\nA = 0\r\n\r\n', { A: '1' })).toBe('# A=0\r\nA=1\r\n\r\n');
  });

  it('quotes what a reader would cut', () => {
    expect(withVariables('', { A: 'a#b c' })).toBe("A='a#b c'\n");
    expect(() => withVariables('', { A: 'a\nB=2' })).toThrow('cannot stand in a .env file');
  });
});
