/** `npm run authorize -- --mailbox ADDRESS`, with several emulated accounts and a stub of gcloud that records its input. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  emulatedCredentials,
  ManyAccounts,
  type RunningGmail,
  startEmulatedGmail,
} from '../../emulators/gmail/emulated-gmail.ts';
import { secretNameOf } from '../../shared/mailbox-access.ts';
import { addMailbox } from '../../shared/mailboxes/mailbox-changes.ts';
import { startCommand } from '../helpers/command-process.ts';
import { createTestDatabase } from '../helpers/test-database.ts';

// Each command is a separate process that starts others.
vi.setConfig({ testTimeout: 30_000 });

const { clientId, clientSecret } = emulatedCredentials;
const ANN = 'ann@example.com';
const SECRET = `orders-mailbox_-${secretNameOf(ANN)}`;
const OUTPUTS = {
  name: { value: 'orders' },
  project_id: { value: 'orders-example' },
  region: { value: 'europe-west1' },
  status_url: { value: 'https://status.example.com' },
  urls: { value: { start: 'https://start.example.com' } },
};
const WITH_SECRETS = {
  ...OUTPUTS,
  mailbox_secrets: { value: 'projects/orders-example/secrets/orders-mailbox_' },
};

let root: string;
let server: RunningGmail;
let accounts: ManyAccounts;

beforeEach(async () => {
  accounts = new ManyAccounts();
  for (const name of ['first', 'ann', 'bob']) accounts.add({ emailAddress: `${name}@example.com` });
  server = await startEmulatedGmail(accounts);
  root = mkdtempSync(join(tmpdir(), 'authorize-mailbox-'));
  mkdirSync(join(root, 'bin'));
  program('terraform', `echo '${JSON.stringify(WITH_SECRETS)}'`);
  gcloud();
});
afterEach(async () => {
  await server.close();
  rmSync(root, { recursive: true });
});

/** Installs a program that records its arguments and then runs the lines. */
function program(name: string, lines: string): void {
  const file = join(root, 'bin', name);
  writeFileSync(file, `#!/bin/sh\necho "${name} $*" >> '${root}/calls'\n${lines}\n`);
  chmodSync(file, 0o755);
}

/** The secret of Ann does not exist. @param overrides shell code by a shell pattern of the arguments */
function gcloud(overrides: Readonly<Record<string, string>> = {}): void {
  const cases = [
    ...Object.entries(overrides),
    ['auth list*', 'echo alice@example.com'],
    [
      'secrets describe orders-gmail-refresh-token*',
      'echo \'{"replication":{"userManaged":{"replicas":[{"location":"europe-west1"}]}}}\'',
    ],
    ['secrets describe*', 'echo "ERROR: NOT_FOUND: no such secret" >&2; exit 1'],
    ['secrets create*', `/bin/cat > '${root}/created'`],
    ['secrets versions add*', `/bin/cat > '${root}/added'; echo "projects/1/secrets/$4/versions/1"`],
  ];
  const lines = cases.map(([pattern = '', does]) => `${pattern.replaceAll(' ', '\\ ')}) ${does} ;;`);
  program('gcloud', `case "$*" in\n${lines.join('\n')}\nesac`);
}

const text = (name: string) => (existsSync(join(root, name)) ? readFileSync(join(root, name), 'utf8') : null);
const calls = () => text('calls')?.trim().split('\n') ?? [];

async function authorize(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const command = startCommand(
    'authorize',
    ['--no-browser', ...args],
    {
      PATH: join(root, 'bin'),
      GMAIL_CLIENT_ID: clientId,
      GMAIL_CLIENT_SECRET: clientSecret,
      GMAIL_API_ROOT_URL: server.rootUrl,
      GOOGLE_OAUTH_TOKEN_URL: server.tokenUrl,
      GOOGLE_OAUTH_AUTH_URL: server.authUrl,
      ...env,
    },
    root,
  );
  const asked = await command.printed(/http:\S+code_challenge\S+/).then(
    ([url]) => url,
    () => null,
  );
  const page = asked === null ? '' : await (await fetch(asked)).text();
  return { asked, page, code: await command.ended(), output: command.output };
}

describe('npm run authorize -- --mailbox --secret-manager', () => {
  it('creates the secret like those of the first mailbox and stores one JSON object, which it does not print', async () => {
    const { asked, code, output } = await authorize(['--mailbox', 'Ann@Example.com', '--secret-manager']);
    expect([code, output]).toEqual([0, expect.stringContaining(`Authorized: ${ANN}`)]);
    expect(new URL(asked ?? '').searchParams.get('login_hint')).toBe(ANN);
    const stored = JSON.parse(text('added') ?? '');
    expect(stored).toEqual({
      client_id: clientId,
      client_secret: clientSecret,
      refresh_token: expect.stringMatching(/^1\/\/emulated-@1@\w+$/),
    });
    expect(JSON.parse(text('created') ?? '')).toEqual({
      userManaged: { replicas: [{ location: 'europe-west1' }] },
    });
    expect(calls()).toContain(
      `gcloud secrets create ${SECRET} --replication-policy-file=- --set-annotations=mailbox=${ANN} --project=orders-example`,
    );
    expect(output).toContain(`Stored in Secret Manager of orders-example: ${SECRET}, version 1`);
    expect(output).toContain(`If the mailbox was not added yet: npm run mailbox -- add ${ANN}`);
    for (const secret of [clientSecret, stored.refresh_token]) {
      expect(output).not.toContain(secret);
      expect(text('calls')).not.toContain(secret);
    }
  });

  it('only adds a version to a secret that exists, in the project and with the prefix that are named', async () => {
    gcloud({ 'secrets describe*': 'echo there' });
    const named = ['--project', 'elsewhere', '--secret-prefix', 'shop-mailbox_'];
    expect((await authorize(['--mailbox', ANN, '--secret-manager', ...named])).code).toBe(0);
    expect(text('created')).toBeNull();
    expect(calls().some((call) => call.includes(`add shop-mailbox_-${secretNameOf(ANN)}`))).toBe(true);
    expect(calls().filter((call) => call.startsWith('terraform'))).toEqual([]);
  });

  it('stores nothing when another account consents, and names it in the terminal and in the browser', async () => {
    // No emulated account has this address, so the first one consents.
    const { code, output, page } = await authorize(['--mailbox', 'carol@example.com', '--secret-manager']);
    expect(code).toBe(1);
    for (const one of [output, page])
      expect(one).toContain(
        'The account first@example.com consented, not carol@example.com. Nothing is stored.',
      );
    expect([text('created'), text('added')]).toEqual([null, null]);
  });

  it('does not ask for consent when the secret could not be stored', async () => {
    program('terraform', `echo '${JSON.stringify(OUTPUTS)}'`);
    const old = await authorize(['--mailbox', ANN, '--secret-manager']);
    expect([old.asked, old.code]).toEqual([null, 1]);
    expect(old.output).toContain('the deployment is older than added mailboxes');
    gcloud({ 'secrets describe*': 'echo "ERROR: the API is disabled" >&2; exit 1' });
    const failed = await authorize(['--mailbox', ANN, '--secret-manager', '--project', 'p']);
    expect([failed.asked, failed.code]).toEqual([null, 1]);
    expect(failed.output).toContain('cannot find the secret email-monitor-mailbox_-ann-example-com-');
  });

  it('names the missing role when the secret cannot be created', async () => {
    gcloud({ 'secrets create*': 'echo "ERROR: PERMISSION_DENIED" >&2; exit 1' });
    const { code, output } = await authorize(['--mailbox', ANN, '--secret-manager']);
    expect(code).toBe(1);
    expect(output).toContain(`could not store the secret ${SECRET}: ERROR: PERMISSION_DENIED`);
    expect(output).toContain('--member user:alice@example.com --role roles/secretmanager.admin');
    expect(text('added')).toBeNull();
  });
});

describe('npm run authorize -- --mailbox --write', () => {
  it('writes a file that only its owner can read, and replaces it the next time', async () => {
    const folder = join(root, 'secrets');
    const env = { GMAIL_MAILBOX_SECRETS: folder };
    const first = await authorize(['--mailbox', ANN, '--write'], env);
    const file = join(folder, `${secretNameOf(ANN)}.json`);
    expect([first.code, first.output]).toEqual([0, expect.stringContaining(`Stored in ${file}`)]);
    const before = JSON.parse(readFileSync(file, 'utf8'));
    expect(before).toMatchObject({ client_id: clientId, client_secret: clientSecret });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(first.output).not.toContain(before.refresh_token);
    await authorize(['--mailbox', ANN, '--write'], env);
    expect(JSON.parse(readFileSync(file, 'utf8')).refresh_token).not.toBe(before.refresh_token);
    expect(readdirSync(folder)).toHaveLength(1);
    expect(calls()).toEqual([]);
  });

  it('quotes the address in the command that adds the mailbox', async () => {
    accounts.add({ emailAddress: "o'brien@example.com" });
    const { output } = await authorize(['--mailbox', "o'brien@example.com", '--write'], {
      GMAIL_MAILBOX_SECRETS: join(root, 'secrets'),
    });
    expect(output).toContain("npm run mailbox -- add 'o'\\''brien@example.com'");
  });

  it('needs the folder', async () => {
    const { code, output } = await authorize(['--mailbox', ANN, '--write'], {
      GMAIL_MAILBOX_SECRETS: 'projects/p/secrets/x',
    });
    expect([code, output]).toEqual([
      1,
      expect.stringContaining('needs GMAIL_MAILBOX_SECRETS, an absolute folder.'),
    ]);
  });

  it('does not overwrite the secret of a mailbox that had the address before', async () => {
    const db = await createTestDatabase();
    const env = { GMAIL_MAILBOX_SECRETS: join(root, 'secrets'), DATABASE_URL: db.url };
    const added = { emailAddress: ANN, access: 'refresh_token', label: null, initialQuery: null } as const;
    const { secretName: former } = await addMailbox(db, added);
    await db.query("update mailbox_settings set email_address = 'anna@example.com'");
    const early = await authorize(['--mailbox', ANN, '--write'], env);
    const { secretName } = await addMailbox(db, added);
    const later = await authorize(['--mailbox', ANN, '--write'], env);
    await db.close();
    expect([early.asked, early.code]).toEqual([null, 1]);
    expect(early.output).toContain('belongs to a mailbox that had the address before');
    expect([later.code, later.output]).toEqual([0, expect.stringContaining(`/${secretName}.json`)]);
    expect(secretName).not.toBe(former);
  });

  it('uses the name that the database has, and rejects a mailbox that needs no consent', async () => {
    const db = await createTestDatabase();
    const env = { GMAIL_MAILBOX_SECRETS: join(root, 'secrets'), DATABASE_URL: db.url };
    const settings = { label: null, initialQuery: null };
    await addMailbox(db, { ...settings, emailAddress: ANN, access: 'refresh_token' });
    // The account got its present address after it was added.
    await db.query("update mailbox_settings set secret_name = 'former-1'");
    await addMailbox(db, { ...settings, emailAddress: 'bob@example.com', access: 'delegation' });
    const renamed = await authorize(['--mailbox', ANN, '--write'], env);
    const delegated = await authorize(['--mailbox', 'bob@example.com', '--write'], env);
    await db.close();
    expect([renamed.code, renamed.output]).toEqual([0, expect.stringContaining('/former-1.json')]);
    expect(renamed.output).not.toContain('npm run mailbox');
    expect([delegated.asked, delegated.code]).toEqual([null, 1]);
    expect(delegated.output).toContain('bob@example.com is read by delegation and needs no consent.');
  });
});
