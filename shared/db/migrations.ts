/** Brings a database to the schema of this code: the files of `sql/migrations`, forward only, each once, under a lock. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runner } from 'node-pg-migrate';
import { AppError } from '../errors.ts';
import type { Queryable } from './database.ts';

const FOLDER = join(import.meta.dirname, '../../sql/migrations');

/**
 * @param databaseUrl of an account that may create tables
 * @returns the names that were applied now
 */
export async function migrate(databaseUrl: string, folder = FOLDER): Promise<string[]> {
  const applied = await runner({
    databaseUrl,
    dir: folder,
    direction: 'up',
    migrationsTable: 'schema_migrations',
    count: Number.POSITIVE_INFINITY,
    log: () => undefined,
  });
  return applied.map((migration) => migration.name);
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
