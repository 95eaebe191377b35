/**
 * What every function of an instance shares: the checked configuration, the log, the database. Loads nothing
 * that only one of them needs.
 */
import { type Config, type Environment, readConfig } from '../config.ts';
import { type Database, openDatabase } from '../db/database.ts';
import { type Clock, monotonicClock } from '../deadline.ts';
import { createLog, type Log } from '../log.ts';
import { LiveConfig } from './live-config.ts';

export interface AppContext {
  readonly config: Config;
  readonly log: Log;
  readonly db: Database;
  /** The configuration as it is now: `config` itself while nothing has changed. */
  readonly currentConfig: () => Promise<Config>;
  /** Google did not take the credentials of `config`. */
  readonly onCredentialsRefused: () => void;
}

/** @throws {ConfigError} with every fault of the environment */
export function createAppContext(
  env: Environment,
  sink: (line: string) => void,
  clock: Clock = monotonicClock,
): AppContext {
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
  const live = new LiveConfig(config, env, log, clock);
  return {
    config,
    log,
    db,
    currentConfig: async () => await live.current(),
    onCredentialsRefused: () => live.refused(),
  };
}
