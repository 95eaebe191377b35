/** Brings a database to the schema of this code: the files of `sql/migrations`, forward only, each once, under a lock. */
import { join } from 'node:path';
import { runner } from 'node-pg-migrate';

/**
 * @param databaseUrl of an account that may create tables
 * @returns the names that were applied now
 */
export async function migrate(
  databaseUrl: string,
  folder = join(import.meta.dirname, '../../sql/migrations'),
): Promise<string[]> {
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
