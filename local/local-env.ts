/**
 * The configuration of the local stack, saved in its data folder. `npm run doctor`, `backfill` and the other commands use
 * it when nothing else is configured, or when DATABASE_URL names the database of the running stack. It contains the password of the local database, so only its owner may read it.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import type { Environment } from '../shared/config.ts';
import { isStackRunning } from './stack-lock.ts';

const FILE = 'env';

export const LOCAL_STACK_DOWN = 'The local stack does not answer: is `npm start` running?';

/** True when the environment has any Gmail credential, so that the real Gmail is meant and not the emulator. */
export function hasGmailCredentials(env: Environment): boolean {
  return ['GMAIL_CLIENT_ID', 'GMAIL_CLIENT_SECRET', 'GMAIL_REFRESH_TOKEN'].some(
    (name) => env[name]?.trim() || env[`${name}_FILE`]?.trim(),
  );
}

/** Absolute: PostgreSQL's programs run in another folder. */
export function dataFolderOf(env: Environment): string {
  return resolve(env['LOCAL_DATA_DIR']?.trim() || join(import.meta.dirname, '../.local'));
}

export function writeLocalEnv(dataFolder: string, settings: Environment): void {
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${JSON.stringify(value ?? '')}\n`);
  writeFileSync(join(dataFolder, FILE), lines.join(''), { mode: 0o600 });
}

/**
 * `none`: nothing was saved, or another system is configured. `stopped`: only the database of the stack may answer, because
 * the emulated Gmail and the emulated Cloud Scheduler end with `npm start`.
 */
export type LocalStackState = 'none' | 'running' | 'stopped';

/** Loads the local stack's configuration into `process.env`, unless the result is `none`. */
export function loadLocalEnv(): LocalStackState {
  const dataFolder = dataFolderOf(process.env);
  const file = join(dataFolder, FILE);
  if (!existsSync(file)) return 'none';
  const saved: Environment = parseEnv(readFileSync(file, 'utf8'));
  const state = isStackRunning(dataFolder) ? 'running' : 'stopped';
  if (isOtherDatabase(process.env, saved, state)) return 'none';
  // A stack that reads the real Gmail saves no credentials. Then its database is used with the caller's credentials.
  if (hasGmailCredentials(process.env) && hasGmailCredentials(saved)) return 'none';
  // An empty value means the default, and loadEnvFile replaces no variable that is set.
  for (const name of Object.keys(saved)) if (process.env[name]?.trim() === '') delete process.env[name];
  process.loadEnvFile(file);
  return state;
}

/** DATABASE_URL may name the operator's own server, which a stack uses only while it runs. */
function isOtherDatabase(env: Environment, saved: Environment, state: LocalStackState): boolean {
  const url = env['DATABASE_URL']?.trim();
  if (url) return url !== saved['DATABASE_URL'] || state !== 'running';
  return Boolean(env['CLOUD_SQL_INSTANCE']?.trim());
}
