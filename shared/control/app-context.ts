/**
 * What all functions of an instance share: the validated configuration, the log and the database. Loads nothing that only
 * some functions need.
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
  /** The current configuration; `config` itself while no credential file has changed. */
  readonly currentConfig: () => Promise<Config>;
  /** Call when Google rejects the credentials of `config`. */
  readonly onCredentialsRejected: () => void;
}

/** @throws {ConfigError} with every error of the environment */
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
    onCredentialsRejected: () => live.onRejected(),
  };
}
