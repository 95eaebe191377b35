/**
 * The configuration of the local stack, kept beside its data: so that `npm run doctor`, `backfill` and the others find
 * it when nothing else is configured. It holds the password of the local database: its owner's alone.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import type { Environment } from '../shared/config.ts';

const FILE = 'env';
/** Any of these says that a system of the operator's own is meant. */
const CONFIGURED = ['DATABASE_URL', 'CLOUD_SQL_INSTANCE'];

/** True when the environment names credentials of Gmail, so that the emulator is not meant. */
export function namesGmail(env: Environment): boolean {
  return ['GMAIL_CLIENT_ID', 'GMAIL_CLIENT_ID_FILE'].some((name) => env[name]?.trim());
}

export function dataFolderOf(env: Environment): string {
  return env['LOCAL_DATA_DIR'] || join(import.meta.dirname, '../.local');
}

export function writeLocalEnv(dataFolder: string, settings: Environment): void {
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${JSON.stringify(value ?? '')}\n`);
  writeFileSync(join(dataFolder, FILE), lines.join(''), { mode: 0o600 });
}

/** Takes the local stack's configuration over into `process.env`. @returns false when there is none, or another one */
export function loadLocalEnv(): boolean {
  const file = join(dataFolderOf(process.env), FILE);
  if (CONFIGURED.some((name) => process.env[name]?.trim()) || !existsSync(file)) return false;
  // A stack that reads the real Gmail keeps no credentials: its database is meant then, and the credentials of the caller.
  if (namesGmail(process.env) && namesGmail(parseEnv(readFileSync(file, 'utf8')))) return false;
  process.loadEnvFile(file);
  return true;
}
