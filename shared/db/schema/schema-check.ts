/**
 * Checks that the database has the newest migration of this code. The check precedes the first statement of an instance, because
 * new code always starts in new instances and migrations only go forward. It finds every pending migration, also one that
 * causes no SQL error, such as a new function body or a wider check constraint. It also finds accounts or privileges that changed
 * without a migration, such as a removed consumer; these need `migrate`, but do not block a statement.
 * Invariant: no statement of newer code runs on an older schema, so that no run fails and no message is charged for it.
 */

import type { DatabaseAccount } from '../../db-accounts.ts';
import { AppError } from '../../errors.ts';
import type { Database } from '../database.ts';
import { statement } from '../statement.ts';
import { grantsVersion } from './grants.ts';
import { knownMigrations } from './known-migrations.ts';

const STATE = statement(
  `select exists (select from schema_migrations m where m.name = $1::text) as is_applied,
          obj_description('schema_migrations'::regclass, 'pg_class') as grants`,
  { is_applied: 'boolean?', grants: 'text?' },
);

export class SchemaCheck {
  readonly #newest = knownMigrations().at(-1) ?? '';
  /** Null: unknown, so not compared. */
  readonly #grants: string | null;
  #isCurrent = false;
  #needsMigrate = false;
  #running: Promise<void> | null = null;

  /** @param accounts those that `migrate` grants their tables; none: grants are not compared */
  constructor(accounts: readonly DatabaseAccount[] = []) {
    this.#grants = accounts.length === 0 ? null : grantsVersion(accounts);
  }

  /** True after a statement met an older schema or missing grants, until `migrate` succeeds or a check finds neither. */
  get needsMigrate(): boolean {
    return this.#needsMigrate;
  }

  /** Call when `migrate` succeeded. If the schema is still older, the next check reports it again. */
  onMigrated(): void {
    this.#needsMigrate = false;
  }

  /**
   * @returns the same database. While its schema is older than the code, every call throws schema_outdated. While the account
   *   may not read the migrations, every call throws database_denied
   */
  guard(db: Database): Database {
    const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
      try {
        if (!this.#isCurrent) await this.assertCurrent(db);
        return await work();
      } catch (error) {
        // Also when migrations were applied but not the grants, or an older backup was restored.
        if (isSchemaError(error)) this.#needsMigrate = true;
        throw error;
      }
    };
    return {
      query: async (sql, parameters) => await guarded(async () => await db.query(sql, parameters)),
      commit: async (sql, parameters) => await guarded(async () => await db.commit(sql, parameters)),
      transaction: async (work) => await guarded(async () => await db.transaction(work)),
      close: async () => await db.close(),
    };
  }

  /** Concurrent callers share one check. @throws {AppError} schema_outdated, or any other error of the database */
  async assertCurrent(db: Database): Promise<void> {
    this.#running ??= this.#check(db).finally(() => {
      this.#running = null;
    });
    await this.#running;
  }

  async #check(db: Database): Promise<void> {
    const row = await readState(db, this.#newest);
    this.#isCurrent = row?.is_applied === true;
    this.#needsMigrate = !this.#isCurrent || (this.#grants !== null && this.#grants !== row?.grants);
    if (!this.#isCurrent)
      throw new AppError('schema_outdated', `The database does not have the migration ${this.#newest}.`);
  }
}

/** Undefined in an empty database. */
async function readState(db: Database, newest: string) {
  try {
    return (await db.query(STATE, [newest])).rows[0];
  } catch (error) {
    if (error instanceof AppError && error.code === 'schema_outdated') return undefined;
    throw error;
  }
}

function isSchemaError(error: unknown): boolean {
  return error instanceof AppError && (error.code === 'schema_outdated' || error.code === 'database_denied');
}
