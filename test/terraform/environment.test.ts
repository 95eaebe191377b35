/** Compares the variables that the code reads, `.env.example` lists and Terraform sets, and the deployed entry points. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TARGETS } from '../../functions/runtime/targets.ts';
import { ConfigError, readConfig } from '../../shared/config.ts';
import { ACCOUNT_PARTS, CONSUMER_NAME, RESERVED_NAME } from '../../shared/db-accounts.ts';
import { variablesText } from './variables.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

/** Not read by `readConfig`, but by commands, the local stack or Google's clients. */
const READ_ELSEWHERE = [
  // By the entry of the build.
  'APP_FUNCTION',
  'ERASURE_KEY',
  'GOOGLE_OAUTH_AUTH_URL',
  'PORT',
  'LOCAL_DATA_DIR',
];
/** Only for local use and tests. A deployment uses the real services. */
const NOT_DEPLOYED = [
  // Cloud Run sets it.
  'K_SERVICE',
  'DATABASE_URL',
  'ERASURE_KEY',
  'GMAIL_API_ROOT_URL',
  'GOOGLE_OAUTH_TOKEN_URL',
  'CLOUD_SQL_API_ROOT_URL',
  'IAP_KEYS_URL',
  'GOOGLE_OAUTH_AUTH_URL',
  'CLOUD_SCHEDULER_EMULATOR_HOST',
  'PUBSUB_EMULATOR_HOST',
  'SECRET_MANAGER_API_ROOT_URL',
  'IAM_CREDENTIALS_API_ROOT_URL',
  'STORAGE_EMULATOR_HOST',
  'PORT',
  'LOCAL_DATA_DIR',
  // A deployment uses the `_FILE` variables instead.
  'GMAIL_CLIENT_ID',
  'GMAIL_CLIENT_SECRET',
  'GMAIL_REFRESH_TOKEN',
];
/** Read by Node and the framework, not by this code. */
const EXTERNAL = ['NODE_ENV'];

const exampleNames = [...read('.env.example').matchAll(/^([A-Z][A-Z0-9_]*)=/gm)].map(
  ([, name]) => name ?? '',
);
const terraform = ['attachments', 'functions', 'locals', 'mailboxes']
  .map((name) => read(`terraform/${name}.tf`))
  .join('\n');
const terraformNames = [
  ...new Set([...terraform.matchAll(/(?:^|\{)\s*([A-Z][A-Z0-9_]+)\s*=/gm)].map(([, name]) => name ?? '')),
];

/** Every variable that `readConfig` reads. */
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

test('.env.example lists exactly the variables that the code reads, each once', () => {
  expect([...exampleNames].sort()).toEqual([...namesRead(), ...READ_ELSEWHERE].sort());
});

test('.env.example names every function and every part of the accounts', () => {
  const commentOf = (name: string) =>
    new RegExp(`((?:^#.*\\n)+)${name}=`, 'm').exec(read('.env.example'))?.[1] ?? '';
  expect(TARGETS.filter((target) => !new RegExp(`\\b${target}\\b`).test(commentOf('APP_FUNCTION')))).toEqual(
    [],
  );
  expect(ACCOUNT_PARTS.filter((part) => !new RegExp(`\\b${part}\\b`).test(commentOf('DB_ACCOUNTS')))).toEqual(
    [],
  );
});

test('Terraform sets exactly the variables that a deployment needs', () => {
  const expected = exampleNames.filter((name) => !NOT_DEPLOYED.includes(name));
  expect([...terraformNames].sort()).toEqual([...expected, ...EXTERNAL].sort());
});

test('Terraform deploys every entry point and a database user for each part of the code', () => {
  const targets = [...terraform.matchAll(/target\s*=\s*"(\w+)"/g)].map(([, target]) => target);
  expect(targets.sort()).toEqual([...TARGETS].sort());
  const accounts = new Set([...terraform.matchAll(/account\s*=\s*"(\w+)"/g)].map(([, account]) => account));
  accounts.delete('migrate');
  expect([...accounts, 'consumer'].sort()).toEqual([...ACCOUNT_PARTS].sort());
});

test('Terraform accepts the names of consumers that the code accepts', () => {
  expect(variablesText).toContain(`regex("${CONSUMER_NAME.source}", consumer)`);
  expect(variablesText).toContain(`regex("${RESERVED_NAME.source}", consumer)`);
});
