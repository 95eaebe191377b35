/**
 * The configuration of the local stack, saved in its data folder. `npm run doctor`, `backfill` and the other commands use
 * it when nothing else is configured. It contains the password of the local database, so only its owner may read it.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import type { Environment } from '../shared/config.ts';

const FILE = 'env';
/** If one of these is set, the operator means another system than the local stack. */
const CONFIGURED = ['DATABASE_URL', 'CLOUD_SQL_INSTANCE'];

export const LOCAL_STACK_DOWN = 'The local stack does not answer: is `npm start` running?';

/** True when the environment has any Gmail credential, so that the real Gmail is meant and not the emulator. */
export function hasGmailCredentials(env: Environment): boolean {
  return ['GMAIL_CLIENT_ID', 'GMAIL_CLIENT_SECRET', 'GMAIL_REFRESH_TOKEN'].some(
    (name) => env[name]?.trim() || env[`${name}_FILE`]?.trim(),
  );
}

export function dataFolderOf(env: Environment): string {
  return env['LOCAL_DATA_DIR'] || join(import.meta.dirname, '../.local');
}

export function writeLocalEnv(dataFolder: string, settings: Environment): void {
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${JSON.stringify(value ?? '')}\n`);
  writeFileSync(join(dataFolder, FILE), lines.join(''), { mode: 0o600 });
}

/** Loads the local stack's configuration into `process.env`. @returns false when there is none, or something else is configured */
export function loadLocalEnv(): boolean {
  const file = join(dataFolderOf(process.env), FILE);
  if (CONFIGURED.some((name) => process.env[name]?.trim()) || !existsSync(file)) return false;
  // A stack that reads the real Gmail saves no credentials. Then its database is used with the caller's credentials.
  if (hasGmailCredentials(process.env) && hasGmailCredentials(parseEnv(readFileSync(file, 'utf8'))))
    return false;
  process.loadEnvFile(file);
  return true;
}
