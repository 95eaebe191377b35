/**
 * Migrates a database to the schema of this code: the files of `sql/migrations`, forward only, each once, under a lock. Then it
 * grants privileges to the accounts of the deployment. Called by the `migrate` function and command, and by `npm start`.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import type { DatabaseTarget } from '../../config.ts';
import type { DatabaseAccount } from '../../db-accounts.ts';
import { AppError } from '../../errors.ts';
import { connectionTo } from '../connection.ts';
import { openDatabase, type Queryable } from '../database.ts';
import { fromPgError } from '../pg-error.ts';
import { grantAll } from './grants.ts';

/** In a build: next to the folder of chunks that holds this module. */
const BUILT = join(import.meta.dirname, '../migrations');
const SOURCES = join(import.meta.dirname, '../../../sql/migrations');
const FOLDER = existsSync(BUILT) ? BUILT : SOURCES;

/** Enough for an index over a million rows, less than the timeout of a request. */
const STATEMENT_MS = 240_000;

/**
 * May run any number of times, even while functions are running.
 *
 * @param target its account must be allowed to create tables
 * @param accounts the account of each part; without any, nothing is granted
 * @returns the names of the migrations that this call applied
 * @throws {AppError} schema_incompatible, migration_running, database_denied, database_unavailable, internal
 */
export async function migrate(
  target: DatabaseTarget,
  accounts: readonly DatabaseAccount[] = [],
  folder = FOLDER,
): Promise<string[]> {
  const client = new pg.Client({
    ...(await connectionTo(target)),
    application_name: 'email-monitor-migrate',
    connectionTimeoutMillis: 10_000,
    statement_timeout: STATEMENT_MS,
    lock_timeout: 30_000,
  });
  // The failing call reports the error; without a listener the event would end the process.
  client.on('error', () => undefined);
  const applied = await apply(client, folder).catch((error: unknown) =>
    Promise.reject(toMigrationError(error)),
  );
  await grantTogether(target, accounts);
  return applied;
}

async function apply(client: pg.Client, folder: string): Promise<string[]> {
  try {
    await client.connect();
    assertSameOrigin(await readApplied(client), folder);
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

/** The runner reports a held lock only in its message. */
function toMigrationError(error: unknown): AppError {
  if (error instanceof Error && /another migration is already running/i.test(error.message))
    return new AppError('migration_running', 'Another process is migrating this database.', { cause: error });
  return fromPgError(error);
}

/** @returns the names of the applied migrations, oldest first; none in an empty database */
async function readApplied(client: pg.Client): Promise<string[]> {
  const table = await client.query<{ exists: boolean }>(
    "select to_regclass('schema_migrations') is not null as exists",
  );
  if (table.rows[0]?.exists !== true) return [];
  const { rows } = await client.query<{ name: string }>('select name from schema_migrations order by id');
  return rows.map((row) => row.name);
}

/**
 * A database whose first migration is not the one of this code cannot be migrated. The runner would only report a wrong
 * order.
 *
 * @throws {AppError} schema_incompatible
 */
function assertSameOrigin(applied: readonly string[], folder: string): void {
  const [first] = applied;
  const [expected] = knownMigrations(folder);
  if (first === undefined || first === expected) return;
  throw new AppError(
    'schema_incompatible',
    `The first migration of this database is ${first}, and this version begins with ${expected}.`,
  );
}

/** Names without `.sql`, oldest first. */
function knownMigrations(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .map((name) => name.slice(0, -'.sql'.length))
    .sort();
}

/** The difference between the database and this code; both lists are empty when there is none. */
export interface SchemaDifference {
  /** Not applied yet, oldest first. */
  readonly pending: readonly string[];
  /** Applied by newer code. */
  readonly unknown: readonly string[];
}

/** Reads only. @throws {AppError} schema_incompatible, database_unavailable */
export async function readSchemaDifference(db: Queryable, folder = FOLDER): Promise<SchemaDifference> {
  const known = knownMigrations(folder);
  const { rows } = await db
    .query<{ name: string }>('select name from schema_migrations order by id')
    .catch((error: unknown) => {
      if (error instanceof AppError && error.code === 'schema_outdated') return { rows: [] };
      throw error;
    });
  const names = rows.map((row) => row.name);
  assertSameOrigin(names, folder);
  const applied = new Set(names);
  return {
    pending: known.filter((name) => !applied.has(name)),
    unknown: [...applied].filter((name) => !known.includes(name)),
  };
}
