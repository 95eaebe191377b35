/** The migrations of this code: the files of `sql/migrations`. Kept apart from the migration tool, which only `migrate` loads. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** In a build: next to the folder of chunks that holds this module. */
const BUILT = join(import.meta.dirname, '../migrations');
const SOURCES = join(import.meta.dirname, '../../../sql/migrations');
export const MIGRATIONS_FOLDER = existsSync(BUILT) ? BUILT : SOURCES;

/** @returns names without `.sql`, oldest first */
export function knownMigrations(folder = MIGRATIONS_FOLDER): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .map((name) => name.slice(0, -'.sql'.length))
    .sort();
}
