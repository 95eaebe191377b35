/**
 * What every function of an instance shares: the checked configuration, the log, the database. Loads nothing
 * that only one of them needs.
 */
import { type Config, type Environment, readConfig } from '../shared/config.ts';
import { type Database, openDatabase } from '../shared/db/database.ts';
import { createLog, type Log } from '../shared/log.ts';

export interface FunctionContext {
  readonly config: Config;
  readonly log: Log;
  readonly db: Database;
}

/** @throws {ConfigError} with every fault of the environment */
export function createContext(env: Environment, sink: (line: string) => void): FunctionContext {
  const config = readConfig(env);
  const log = createLog({
    level: config.logLevel,
    sink,
    format: env['LOG_FORMAT'] === 'text' ? 'text' : 'json',
  });
  const db = openDatabase({
    target: config.database,
    poolSize: config.databasePoolSize,
    onIdleError: (error) =>
      log.write('WARNING', 'database_error', 'An idle connection ended', { detail: error.message }),
  });
  return { config, log, db };
}
