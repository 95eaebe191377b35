/** Checks that the database answers and has the schema, the grants and the status row that this code needs. */
import type { LocalStackState } from '../../local/local-env.ts';
import type { Config, DatabaseTarget } from '../../shared/config.ts';
import type { Database } from '../../shared/db/database.ts';
import { readMonitorStatus } from '../../shared/db/monitor-status.ts';
import { readSchemaDifference } from '../../shared/db/schema/migrations.ts';
import { AppError } from '../../shared/errors.ts';
import { type CheckResult, fail, failure, ok, skip, warn } from './check-result.ts';
import { checkGrants } from './grant-checks.ts';

/** After a failure the other checks are skipped. Grants precede the status row, because missing ones make it unreadable. */
export async function checkDatabase(
  db: Database,
  config: Config,
  localStack: LocalStackState,
): Promise<CheckResult[]> {
  const steps: [string, () => Promise<CheckResult>][] = [
    ['database', async () => await checkConnection(db, config.database)],
    ['migrations', async () => await checkSchema(db)],
    ['grants', async () => await checkGrants(db, config.databaseAccounts)],
    ['status_row', async () => await checkStatusRow(db)],
  ];
  const results: CheckResult[] = [];
  for (const [name, step] of steps) {
    const hasFailed = results.some((result) => result.state === 'fail');
    results.push(
      hasFailed
        ? skip(name, 'not checked')
        : await step().catch(asFailure(name, config.database, localStack)),
    );
  }
  return results;
}

function asFailure(
  name: string,
  target: DatabaseTarget,
  localStack: LocalStackState,
): (error: unknown) => CheckResult {
  return (error) => {
    const { text, remediation } = failure(name, error, localStack);
    return fail(name, `${addressOf(target)}: ${text}`, remediation);
  };
}

async function checkConnection(db: Database, target: DatabaseTarget): Promise<CheckResult> {
  const { rows } = await db.query<{ version: string; account: string }>(
    "select current_setting('server_version') as version, current_user::text as account",
  );
  const { version = '', account = '' } = rows[0] ?? {};
  return ok('database', `PostgreSQL ${version} at ${addressOf(target)}, as ${account}`);
}

/** Without the password. */
function addressOf(target: DatabaseTarget): string {
  if (target.kind === 'cloud_sql') return `${target.instance}/${target.database}`;
  const { host, pathname } = new URL(target.url);
  return `${host}${pathname}`;
}

async function checkSchema(db: Database): Promise<CheckResult> {
  const difference = await readSchemaDifference(db).catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'database_denied') return null;
    throw error;
  });
  if (difference === null) {
    const remediation =
      'Run the check with the account that owns the tables; in a deployment, that is the account of migrate.';
    return warn(
      'migrations',
      'could not be checked: this account may not read schema_migrations',
      remediation,
    );
  }
  const { pending, unknown } = difference;
  if (pending.length > 0) {
    const remediation =
      'Run `npm run migrate`. In a deployment, the functions call migrate by themselves: if it lasts, read the log of migrate.';
    return fail('migrations', `not applied yet: ${pending.join(', ')}`, remediation);
  }
  if (unknown.length > 0) {
    const remediation =
      'After a rollback to the version before, nothing. Otherwise use the version of the code that migrated this database.';
    return warn('migrations', `newer than this code: ${unknown.join(', ')}`, remediation);
  }
  return ok('migrations', 'current');
}

async function checkStatusRow(db: Database): Promise<CheckResult> {
  const status = await readMonitorStatus(db);
  const polled = status.lastPollAt === null ? 'never polled' : `last poll ${status.lastPollAt.toISOString()}`;
  return ok('status_row', `${polled}, ${status.emailsProcessedTotal} emails stored`);
}
