/** What the code reads, what `.env.example` lists and what Terraform sets are the same names; entry points likewise. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TARGETS } from '../../functions/runtime/targets.ts';
import { ConfigError, readConfig } from '../../shared/config.ts';
import { ACCOUNT_PARTS } from '../../shared/db-accounts.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

/** Read beside the configuration: by the log, by commands, by the local stack, by Google's own clients. */
const BESIDE = ['LOG_FORMAT', 'GOOGLE_OAUTH_AUTH_URL', 'PUBSUB_EMULATOR_HOST', 'PORT', 'LOCAL_DATA_DIR'];
/** For a machine of one's own and for tests: a deployment has the real ones. */
const NOT_DEPLOYED = [
  'DATABASE_URL',
  'GMAIL_API_ROOT_URL',
  'GOOGLE_OAUTH_TOKEN_URL',
  'GOOGLE_OAUTH_AUTH_URL',
  'CLOUD_SCHEDULER_EMULATOR_HOST',
  'PUBSUB_EMULATOR_HOST',
  'PORT',
  'LOCAL_DATA_DIR',
  // In their place stand the files.
  'GMAIL_CLIENT_ID',
  'GMAIL_CLIENT_SECRET',
  'GMAIL_REFRESH_TOKEN',
];
/** Of Node and the framework, not ours. */
const NOT_OURS = ['NODE_ENV'];

const exampleNames = [...read('.env.example').matchAll(/^([A-Z][A-Z0-9_]*)=/gm)].map(
  ([, name]) => name ?? '',
);
const terraform = read('terraform/functions.tf') + read('terraform/locals.tf');
const terraformNames = [
  ...new Set([...terraform.matchAll(/(?:^|\{)\s*([A-Z][A-Z0-9_]+)\s*=/gm)].map(([, name]) => name ?? '')),
];

/** Every name that the configuration asks its environment for. */
function namesRead(): string[] {
  const names = new Set<string>();
  const env = new Proxy<Record<string, string>>(
    {},
    {
      get: (_target, name) => {
        if (typeof name === 'string') names.add(name);
        return undefined;
      },
    },
  );
  try {
    readConfig(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
  }
  return [...names];
}

test('.env.example lists every variable that is read, each once, and no other', () => {
  expect([...exampleNames].sort()).toEqual([...namesRead(), ...BESIDE].sort());
});

test('Terraform sets every variable that a deployment needs, and no other', () => {
  const wanted = exampleNames.filter((name) => !NOT_DEPLOYED.includes(name));
  expect([...terraformNames].sort()).toEqual([...wanted, ...NOT_OURS].sort());
});

test("Terraform deploys each entry point of the build, and its database accounts are the code's parts", () => {
  const targets = [...terraform.matchAll(/target\s*=\s*"(\w+)"/g)].map(([, target]) => target);
  expect(targets.sort()).toEqual([...TARGETS].sort());
  const keys = targets.map((target) => target?.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
  expect([...keys.filter((key) => key !== 'migrate'), 'consumer'].sort()).toEqual([...ACCOUNT_PARTS].sort());
});
