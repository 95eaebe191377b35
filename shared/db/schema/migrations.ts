/**
 * Migrates a database to the schema of this code: the files of `sql/migrations`, forward only, each once and in its own
 * transaction. Then it grants privileges to the accounts of the deployment. Called by the `migrate` function and command, and by
 * `npm start`.
 * Invariant: one session migrates and grants at a time. Its advisory lock ends with its connection.
 */
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import type { DatabaseTarget } from '../../config.ts';
import type { DatabaseAccount } from '../../db-accounts.ts';
import { AppError } from '../../errors.ts';
import { closeConnector, connectionTo } from '../connection.ts';
import { type Queryable, runStatement } from '../database.ts';
import { DENIED, fromPgError, messageOf, sqlStateOf } from '../pg-error.ts';
import { grantAll } from './grants.ts';
import { knownMigrations, MIGRATIONS_FOLDER } from './known-migrations.ts';

/** Enough for an index over a million rows, less than the timeout of a request. */
const STATEMENT_MS = 240_000;
/**
 * Statements of the functions wait behind a migration that waits for a lock, for example of a backup. Theirs fail after 10 s, so the
 * migration gives up earlier, and a later call tries again.
 */
const LOCK_MS = 4_000;
/** An instance without CPU sends no statement. PostgreSQL then ends its session, and the next call can migrate. */
const IDLE_MS = 60_000;
/** That of node-pg-migrate, which earlier versions take. */
const LOCK_ID = '7241865325823964';
const RUNNING_RETRY_AFTER_MS = 5_000;

/**
 * May run any number of times, even while functions are running. After an interruption, the next call continues with the
 * migration that was interrupted.
 *
 * @param target its account must be allowed to create tables
 * @param accounts the account of each part; without any, nothing is granted
 * @returns the names of the migrations that this call applied
 * @throws {AppError} schema_incompatible, migration_running, database_denied, database_unavailable, internal
 */
export async function migrate(
  target: DatabaseTarget,
  accounts: readonly DatabaseAccount[] = [],
  folder = MIGRATIONS_FOLDER,
): Promise<string[]> {
  const client = new pg.Client({
    ...(await connectionTo(target)),
    application_name: 'email-monitor-migrate',
    connectionTimeoutMillis: 10_000,
    statement_timeout: STATEMENT_MS,
    lock_timeout: LOCK_MS,
    idle_in_transaction_session_timeout: IDLE_MS,
    options: `-c idle_session_timeout=${IDLE_MS}`,
  });
  // The failing call reports the error; without a listener the event would end the process.
  client.on('error', () => undefined);
  const session: Queryable = {
    query: async (sql, parameters = []) => await runStatement(client, sql, parameters),
  };
  try {
    await client.connect();
    await lock(session);
    await assertMayMigrate(session);
    await readApplied(session, folder);
    const applied = await apply(client, folder);
    if (accounts.length > 0) {
      await session.query('begin');
      await grantAll(session, accounts);
      await session.query('commit');
    }
    return applied;
  } catch (error) {
    throw foreignTables(error) ?? fromPgError(error);
  } finally {
    // Also rolls back and releases the lock.
    await client.end().catch(() => undefined);
    closeConnector();
  }
}

/** @throws {AppError} migration_running */
async function lock(session: Queryable): Promise<void> {
  const { rows } = await session.query<{ is_locked: boolean }>(
    'select pg_try_advisory_lock($1::bigint) as is_locked',
    [LOCK_ID],
  );
  if (rows[0]?.is_locked === true) return;
  throw new AppError('migration_running', 'Another process is migrating this database.', {
    retryAfterMs: RUNNING_RETRY_AFTER_MS,
  });
}

/** The runner reports a missing privilege without its SQLSTATE. @throws {AppError} database_denied */
async function assertMayMigrate(session: Queryable): Promise<void> {
  const { rows } = await session.query<{ account: string; may_migrate: boolean }>(
    `select current_user as account,
            coalesce(
              (select pg_has_role(c.relowner, 'usage') from pg_class c where c.oid = to_regclass('schema_migrations')),
              has_schema_privilege('public', 'create')
            ) as may_migrate`,
  );
  if (rows[0]?.may_migrate === true) return;
  throw new AppError(
    'database_denied',
    `The account ${rows[0]?.account} may not create tables or does not own them.`,
  );
}

async function apply(client: pg.Client, folder: string): Promise<string[]> {
  const applied = await runner({
    dbClient: client,
    dir: folder,
    direction: 'up',
    migrationsTable: 'schema_migrations',
    count: Number.POSITIVE_INFINITY,
    // One transaction per migration, so that an interrupted call keeps those that are complete.
    singleTransaction: false,
    noLock: true,
    log: () => undefined,
  });
  return applied.map((migration) => migration.name);
}

/**
 * A database whose first migration is not the one of this code cannot be migrated. The runner would only report a wrong
 * order.
 *
 * @returns the names of the applied migrations, oldest first; none in an empty database
 * @throws {AppError} schema_incompatible
 */
async function readApplied(db: Queryable, folder: string): Promise<string[]> {
  const table = await db.query<{ exists: boolean }>(
    "select to_regclass('schema_migrations') is not null as exists",
  );
  if (table.rows[0]?.exists !== true) return [];
  const { rows } = await db.query<{ name: string }>('select name from schema_migrations order by id');
  const [expected] = knownMigrations(folder);
  const applied = rows.map((row) => row.name);
  const first = applied[0] ?? expected;
  if (first === expected) return applied;
  throw new AppError(
    'schema_incompatible',
    `The first migration of this database is ${first}, and this version begins with ${expected}.`,
  );
}

/**
 * What exists, or has other columns, although no migration created it. Messages of this class name tables and columns only.
 *
 * @returns null for any other error
 */
function foreignTables(error: unknown): AppError | null {
  const code = sqlStateOf(error);
  if (!code.startsWith('42') || code === DENIED) return null;
  const message = `The tables of another program are in the way: ${messageOf(error)} (SQLSTATE ${code}).`;
  return new AppError('schema_incompatible', message, { cause: error });
}

/** The difference between the database and this code; both lists are empty when there is none. */
export interface SchemaDifference {
  /** Not applied yet, oldest first. */
  readonly pending: readonly string[];
  /** Applied by newer code. */
  readonly unknown: readonly string[];
}

/** Reads only. @throws {AppError} schema_incompatible, database_unavailable */
export async function readSchemaDifference(
  db: Queryable,
  folder = MIGRATIONS_FOLDER,
): Promise<SchemaDifference> {
  const known = knownMigrations(folder);
  const applied = await readApplied(db, folder);
  return {
    pending: known.filter((name) => !applied.includes(name)),
    unknown: applied.filter((name) => !known.includes(name)),
  };
}
