/**
 * Brings a database to the schema of this code: the files of `sql/migrations`, forward only, each once, under a lock;
 * then gives the accounts of the deployment their tables.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import type { DatabaseTarget } from '../config.ts';
import type { DatabaseAccount } from '../db-accounts.ts';
import { AppError } from '../errors.ts';
import { connectionTo } from './connection.ts';
import { openDatabase, type Queryable } from './database.ts';
import { grantAll } from './grants.ts';
import { fromPgError } from './pg-error.ts';

/** Where the build writes them, beside the folder of chunks that this module stands in then. */
const BUILT = join(import.meta.dirname, '../migrations');
const SOURCES = join(import.meta.dirname, '../../sql/migrations');
const FOLDER = existsSync(BUILT) ? BUILT : SOURCES;

/** Time enough for an index over a million rows, less than a request may take. */
const STATEMENT_MS = 240_000;

/**
 * May run any number of times, and beside functions that work.
 *
 * @param target of an account that may create tables
 * @param accounts whom to grant what; none: only the schema
 * @returns the names that were applied now
 * @throws {AppError} migration_running, database_denied, database_unavailable, internal
 */
export async function migrate(
  target: DatabaseTarget,
  accounts: readonly DatabaseAccount[] = [],
  folder = FOLDER,
): Promise<string[]> {
  const client = new pg.Client({
    ...connectionTo(target),
    application_name: 'email-monitor-migrate',
    connectionTimeoutMillis: 10_000,
    statement_timeout: STATEMENT_MS,
    lock_timeout: 30_000,
  });
  // The failing call reports it; without a listener the process would end.
  client.on('error', () => undefined);
  const applied = await apply(client, folder).catch((error: unknown) => Promise.reject(toFault(error)));
  await grantTogether(target, accounts);
  return applied;
}

async function apply(client: pg.Client, folder: string): Promise<string[]> {
  try {
    await client.connect();
    const applied = await runner({
      dbClient: client,
      dir: folder,
      direction: 'up',
      migrationsTable: 'schema_migrations',
      count: Number.POSITIVE_INFINITY,
      log: () => undefined,
    });
    return applied.map((migration) => migration.name);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function grantTogether(target: DatabaseTarget, accounts: readonly DatabaseAccount[]): Promise<void> {
  if (accounts.length === 0) return;
  const db = openDatabase({ target, poolSize: 1 });
  try {
    await db.transaction(async (tx) => await grantAll(tx, accounts));
  } finally {
    await db.close();
  }
}

/** The runner knows its lock by a message alone. */
function toFault(error: unknown): AppError {
  if (error instanceof Error && /another migration is already running/i.test(error.message))
    return new AppError('migration_running', 'Somebody else migrates this database now.', { cause: error });
  return fromPgError(error);
}

/** How the database differs from this code; both empty when it does not. */
export interface SchemaDifference {
  /** Not applied yet, oldest first. */
  readonly pending: readonly string[];
  /** Applied by newer code. */
  readonly unknown: readonly string[];
}

/** Changes nothing. @throws {AppError} database_unavailable */
export async function readSchemaDifference(db: Queryable, folder = FOLDER): Promise<SchemaDifference> {
  const known = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .map((name) => name.slice(0, -'.sql'.length))
    .sort();
  const { rows } = await db
    .query<{ name: string }>('select name from schema_migrations order by id')
    .catch((error: unknown) => {
      if (error instanceof AppError && error.code === 'schema_outdated') return { rows: [] };
      throw error;
    });
  const applied = new Set(rows.map((row) => row.name));
  return {
    pending: known.filter((name) => !applied.has(name)),
    unknown: [...applied].filter((name) => !known.includes(name)),
  };
}
