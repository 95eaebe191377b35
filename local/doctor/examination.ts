/** All checks, in the order in which their failures explain each other. */
import { createContext } from '../../functions/context.ts';
import { createMonitor } from '../../functions/monitor.ts';
import { ConfigError, type Environment } from '../../shared/config.ts';
import { checkDatabase } from './database-checks.ts';
import { type Finding, fail, ok, skip } from './finding.ts';
import { checkGmail } from './gmail-checks.ts';
import { checkMonitor } from './monitor-checks.ts';

/** Changes nothing, in the database or anywhere. */
export async function* examine(env: Environment): AsyncGenerator<Finding> {
  yield ok('Node', process.version);
  const context = contextOf(env);
  if (context instanceof ConfigError) {
    const cure = '.env.example says what it means; set it in .env or in the environment.';
    for (const fault of context.faults) yield fail('configuration', fault, cure);
    yield skip('the rest', 'not looked at: it needs the configuration');
    return;
  }
  yield ok('configuration', 'no faults');
  try {
    const database = await checkDatabase(context.db, context.config.database);
    yield* database;
    yield* await checkGmail(context.config);
    if (database.every((finding) => finding.state === 'ok'))
      yield* await checkMonitor(createMonitor(context));
    else yield skip('monitor', 'not looked at: it needs the database');
  } finally {
    await context.db.close();
  }
}

function contextOf(env: Environment) {
  try {
    return createContext(env, () => undefined);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}
