/** `npm run authorize -- --secret-manager`, with stubs of gcloud and Terraform that record their input. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  EmulatedGmail,
  emulatedCredentials,
  type RunningGmail,
  startEmulatedGmail,
} from '../../emulators/gmail/emulated-gmail.ts';
import { startCommand } from '../helpers/command-process.ts';

// Each command is a separate process that starts others.
vi.setConfig({ testTimeout: 30_000 });

const { clientId, clientSecret } = emulatedCredentials;
const OUTPUTS = JSON.stringify({
  name: { value: 'orders' },
  project_id: { value: 'orders-example' },
  region: { value: 'europe-west1' },
  status_url: { value: 'https://status.example.com' },
  urls: { value: { start: 'https://start.example.com' } },
});
const NAMES = ['client-id', 'client-secret', 'refresh-token'].map((part) => `orders-gmail-${part}`);

let root: string;
let server: RunningGmail;
let gmail: EmulatedGmail;

beforeEach(async () => {
  gmail = new EmulatedGmail({ emailAddress: 'orders@example.com' });
  server = await startEmulatedGmail(gmail);
  root = mkdtempSync(join(tmpdir(), 'authorize-secrets-'));
  mkdirSync(join(root, 'bin'));
  program('terraform', `echo '${OUTPUTS}'`);
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

/** @param overrides shell code by a shell pattern of the arguments */
function gcloud(overrides: Readonly<Record<string, string>> = {}): void {
  const cases = [
    ...Object.entries(overrides),
    ['auth list*', 'echo alice@example.com'],
    ['secrets describe*', 'echo there'],
    ['secrets versions add*', `/bin/cat > '${root}/'"$4"; echo "projects/1/secrets/$4/versions/2"`],
  ];
  const lines = cases.map(([pattern = '', does]) => `${pattern.replaceAll(' ', '\\ ')}) ${does} ;;`);
  program('gcloud', `case "$*" in\n${lines.join('\n')}\nesac`);
}

const calls = () => readFileSync(join(root, 'calls'), 'utf8').trim().split('\n');
const stored = (name: string) =>
  existsSync(join(root, name)) ? readFileSync(join(root, name), 'utf8') : null;

async function authorize(args: string[] = []) {
  const env = {
    PATH: join(root, 'bin'),
    GMAIL_CLIENT_ID: clientId,
    GMAIL_CLIENT_SECRET: clientSecret,
    GMAIL_API_ROOT_URL: server.rootUrl,
    GOOGLE_OAUTH_TOKEN_URL: server.tokenUrl,
    GOOGLE_OAUTH_AUTH_URL: server.authUrl,
  };
  const command = startCommand('authorize', ['--no-browser', '--secret-manager', ...args], env, root);
  const asked = await command.printed(/http:\S+code_challenge\S+/).then(
    ([url]) => url,
    () => null,
  );
  if (asked !== null) await fetch(asked);
  return { asked, code: await command.ended(), output: command.output };
}

describe('npm run authorize -- --secret-manager', () => {
  it('adds a version to each secret of the deployment and prints no value', async () => {
    const { code, output } = await authorize();
    expect([code, output]).toEqual([0, expect.stringContaining('Authorized: orders@example.com')]);
    expect(NAMES.map(stored)).toEqual([clientId, clientSecret, expect.stringMatching(/^1\/\/emulated-\w+$/)]);
    for (const name of NAMES) expect(output).toContain(`${name}, version 2`);
    expect(calls()).toContain(
      'gcloud secrets versions add orders-gmail-refresh-token --data-file=- --project=orders-example --format=value(name)',
    );
    for (const secret of [clientSecret, stored('orders-gmail-refresh-token') ?? '-']) {
      expect(output).not.toContain(secret);
      expect(calls().join('\n')).not.toContain(secret);
    }
  });

  it('does not call Terraform when the project is named, and accepts another prefix', async () => {
    const { code } = await authorize(['--project', 'elsewhere', '--secret-prefix', 'shop-gmail']);
    expect(code).toBe(0);
    expect(stored('shop-gmail-client-id')).toBe(clientId);
    expect(calls().filter((call) => call.startsWith('terraform'))).toEqual([]);
    expect((await authorize(['--project', 'elsewhere'])).code).toBe(0);
    expect(stored('email-monitor-gmail-client-id')).toBe(clientId);
  });

  it('does not ask for consent when the secrets are missing or gcloud cannot be used', async () => {
    gcloud({
      'secrets describe orders-gmail-refresh-token*': 'echo "ERROR: NOT_FOUND: no such secret" >&2; exit 1',
    });
    const missing = await authorize();
    expect([missing.asked, missing.code]).toEqual([null, 1]);
    expect(missing.output).toMatch(
      /orders-gmail-refresh-token of orders-example: .*NOT_FOUND[\s\S]*npm run deploy/,
    );
    gcloud({ 'auth list*': 'echo' });
    expect((await authorize()).output).toContain('gcloud auth login');
    rmSync(join(root, 'bin/gcloud'));
    expect((await authorize()).output).toContain('gcloud is not on PATH');
    gcloud();
    program('terraform', `echo '{}'`);
    expect((await authorize()).output).toMatch(/outputs are incomplete[\s\S]*npm run deploy/);
    rmSync(join(root, 'bin/terraform'));
    expect((await authorize()).output).toContain('terraform is not on PATH');
    expect(gmail.callLog.countByMethod['token']).toBeUndefined();
  });

  it('needs no permission to read the secrets, only to add versions', async () => {
    gcloud({ 'secrets describe*': 'echo "ERROR: PERMISSION_DENIED: secretmanager.secrets.get" >&2; exit 1' });
    expect((await authorize()).code).toBe(0);
    expect(stored('orders-gmail-client-id')).toBe(clientId);
  });

  it('reports what was stored when one secret fails, and the permission that is missing', async () => {
    gcloud({
      'secrets versions add orders-gmail-client-secret*': 'echo "ERROR: PERMISSION_DENIED" >&2; exit 1',
    });
    const { code, output } = await authorize();
    expect(code).toBe(1);
    expect(output).toMatch(
      /could not add a version to the secret orders-gmail-client-secret: ERROR: PERMISSION_DENIED/,
    );
    expect(output).toContain('Stored before: orders-gmail-client-id, version 2');
    expect(output).toContain('--member user:alice@example.com --role roles/secretmanager.secretVersionAdder');
    expect(output).not.toContain(clientSecret);
    expect(stored('orders-gmail-refresh-token')).toBeNull();
  });

  it('also writes the variables to a file with --write', async () => {
    const file = join(root, 'kept.env');
    const { code, output } = await authorize(['--write', '--file', file]);
    expect(code).toBe(0);
    expect(readFileSync(file, 'utf8')).toContain(`GMAIL_REFRESH_TOKEN=${stored(NAMES[2] ?? '')}`);
    expect(output).not.toContain('1//');
  });
});
