/**
 * What all functions of an instance share: the validated configuration, the log and the database. Loads nothing that only
 * some functions need.
 */
import { type Config, type Environment, readConfig } from '../config.ts';
import { type Database, openDatabase } from '../db/database.ts';
import { SchemaCheck } from '../db/schema/schema-check.ts';
import { type Clock, monotonicClock } from '../deadline.ts';
import { Semaphore } from '../limits/semaphore.ts';
import { createLog, type Log } from '../log.ts';
import { LiveConfig } from './live-config.ts';
import { SelfMigration } from './self-migration.ts';

export interface AppContext {
  readonly config: Config;
  readonly log: Log;
  readonly db: Database;
  /** For `IngestContext`: one for all functions of the process. */
  readonly suspects: Semaphore;
  /** Opens the first connection, and checks the schema if `db` would do so before its first statement. */
  readonly connect: () => Promise<void>;
  /** Null without MIGRATE_URL. */
  readonly selfMigration: SelfMigration | null;
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
  const log = createLog({ level: config.logLevel, sink, format: config.logFormat });
  const db = openDatabase({
    target: config.database,
    poolSize: config.databasePoolSize,
    onIdleError: (error) =>
      log.write('WARNING', 'database_error', 'An idle connection ended', { detail: error.message }),
  });
  const { migrateUrl: url } = config;
  const check = url === null ? null : new SchemaCheck(config.databaseAccounts);
  const live = new LiveConfig(config, env, log, clock);
  return {
    config,
    log,
    db: check?.guard(db) ?? db,
    suspects: new Semaphore(1),
    connect: async () => {
      await (check === null ? db.query('select 1') : check.assertCurrent(db));
    },
    selfMigration: url === null || check === null ? null : new SelfMigration({ url, check, log, clock }),
    currentConfig: async () => await live.current(),
    onCredentialsRejected: () => live.onRejected(),
  };
}
