/** The database accounts of a deployment, as roles of the test server. */
import { randomUUID } from 'node:crypto';
import { type Database, openDatabase } from '../../shared/db/database.ts';
import { ACCOUNT_PARTS, type AccountPart, type DatabaseAccount, labelOf } from '../../shared/db-accounts.ts';
import type { TestDatabase } from './test-database.ts';

/** The consumer of `accounts`. */
export const CONSUMER = 'extraction';

/** Roles belong to the whole server, which other tests use at the same time, so their names are unique. */
const RUN = randomUUID().slice(0, 8);

export function accountOf(part: string): string {
  return `email-monitor-${part}@${RUN}.iam`;
}

export function entryOf(part: AccountPart): DatabaseAccount {
  const account = accountOf(part);
  return part === 'consumer' ? { part, consumer: CONSUMER, account } : { part, account };
}

/** One account per part. */
export const accounts: readonly DatabaseAccount[] = ACCOUNT_PARTS.map(entryOf);

/** The text of DB_ACCOUNTS. */
export function textOf(entries: readonly DatabaseAccount[]): string {
  return entries.map((one) => `${labelOf(one)}=${one.account}`).join(',');
}

/** @param more names of further roles, for `accountOf` */
export async function createRoles(db: TestDatabase, ...more: string[]): Promise<void> {
  const { password } = new URL(db.url);
  for (const part of [...ACCOUNT_PARTS, ...more])
    await db.query(`create role "${accountOf(part)}" login password '${password}'`);
}

export async function dropRoles(db: TestDatabase, ...more: string[]): Promise<void> {
  for (const part of [...ACCOUNT_PARTS, ...more])
    await db.query(`drop owned by "${accountOf(part)}"; drop role "${accountOf(part)}"`);
}

/** @param database its name; that of `db` unless given */
export function urlOf(db: TestDatabase, part: string, database?: string): string {
  const url = new URL(db.url);
  url.username = encodeURIComponent(accountOf(part));
  if (database !== undefined) url.pathname = `/${database}`;
  return url.href;
}

/** One connection of the account of a part. */
export function openAs(db: TestDatabase, part: string): Database {
  return openDatabase({ target: { kind: 'url', url: urlOf(db, part) }, poolSize: 1 });
}
