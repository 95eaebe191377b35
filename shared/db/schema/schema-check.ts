/**
 * Checks that the database has the newest migration of this code. The check precedes the first statement of an instance, because
 * new code always starts in new instances and migrations only go forward. It finds every pending migration, also one that
 * causes no SQL error, such as a new function body or a wider check constraint.
 * Invariant: no statement of newer code runs on an older schema, so that no run fails and no message is charged for it.
 */
import { AppError } from '../../errors.ts';
import type { Database } from '../database.ts';
import { statement } from '../statement.ts';
import { knownMigrations } from './known-migrations.ts';

const APPLIED = statement(
  `select m.name::text as name
   from schema_migrations m
   where m.name = $1::text`,
  { name: 'text' },
);

export class SchemaCheck {
  readonly #newest = knownMigrations().at(-1) ?? '';
  #isCurrent = false;
  #needsMigrate = false;
  #running: Promise<void> | null = null;

  /** True since a statement met an older schema or missing grants, until `migrate` succeeds or a check finds the schema current. */
  get needsMigrate(): boolean {
    return this.#needsMigrate;
  }

  /** Call when `migrate` succeeded. If the schema is still older, the next check reports it again. */
  onMigrated(): void {
    this.#needsMigrate = false;
  }

  /** @returns the same database; while its schema is older than the code, every call throws schema_outdated */
  guard(db: Database): Database {
    const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
      if (!this.#isCurrent) await this.#assertCurrent(db);
      try {
        return await work();
      } catch (error) {
        // Migrations were applied but not the grants, or an older backup was restored.
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

  /** Concurrent callers share one check. */
  async #assertCurrent(db: Database): Promise<void> {
    this.#running ??= this.#check(db).finally(() => {
      this.#running = null;
    });
    await this.#running;
  }

  async #check(db: Database): Promise<void> {
    this.#isCurrent = await isApplied(db, this.#newest);
    this.#needsMigrate = !this.#isCurrent;
    if (!this.#isCurrent)
      throw new AppError('schema_outdated', `The database does not have the migration ${this.#newest}.`);
  }
}

/** False also in an empty database, and before the first grant of the account. */
async function isApplied(db: Database, name: string): Promise<boolean> {
  try {
    return (await db.query(APPLIED, [name])).rows.length > 0;
  } catch (error) {
    if (isSchemaError(error)) return false;
    throw error;
  }
}

function isSchemaError(error: unknown): boolean {
  return error instanceof AppError && (error.code === 'schema_outdated' || error.code === 'database_denied');
}
