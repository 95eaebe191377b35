/** Does the database answer, and is it the one that this code expects? */
import type { Config, DatabaseTarget } from '../../shared/config.ts';
import type { Database } from '../../shared/db/database.ts';
import { readMonitorStatus } from '../../shared/db/monitor-status.ts';
import { readSchemaDifference } from '../../shared/db/schema/migrations.ts';
import { AppError } from '../../shared/errors.ts';
import { type Finding, fail, failure, ok, skip, warn } from './finding.ts';
import { checkGrants } from './grant-checks.ts';

/** In this order; after a fault the rest is skipped, except that grants say why the row cannot be read. */
export async function checkDatabase(db: Database, config: Config): Promise<Finding[]> {
  const steps: [string, () => Promise<Finding>][] = [
    ['database', async () => await checkReachable(db, config.database)],
    ['migrations', async () => await checkSchema(db)],
    ['grants', async () => await checkGrants(db, config.databaseAccounts)],
    ['status_row', async () => await checkStatusRow(db)],
  ];
  const findings: Finding[] = [];
  for (const [name, step] of steps) {
    const isLost = findings.some((finding) => finding.state === 'fault');
    findings.push(
      isLost ? skip(name, 'not looked at') : await step().catch((error: unknown) => failure(name, error)),
    );
  }
  return findings;
}

async function checkReachable(db: Database, target: DatabaseTarget): Promise<Finding> {
  const { rows } = await db.query<{ version: string; account: string }>(
    "select current_setting('server_version') as version, current_user::text as account",
  );
  const { version = '', account = '' } = rows[0] ?? {};
  return ok('database', `PostgreSQL ${version} at ${placeOf(target)}, as ${account}`);
}

/** Without the password. */
function placeOf(target: DatabaseTarget): string {
  if (target.kind === 'cloud_sql') return `${target.instance}/${target.database}`;
  const { host, pathname } = new URL(target.url);
  return `${host}${pathname}`;
}

async function checkSchema(db: Database): Promise<Finding> {
  const difference = await readSchemaDifference(db).catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'database_denied') return null;
    throw error;
  });
  if (difference === null) {
    const remediation =
      'Look as the account that owns the tables; of a deployment that is the one of migrate.';
    return warn(
      'migrations',
      'cannot be looked at: this account may not read schema_migrations',
      remediation,
    );
  }
  const { pending, unknown } = difference;
  if (pending.length > 0) {
    const remediation = 'Run `npm run migrate`; of a deployment, `npm run deploy`.';
    return fail('migrations', `not applied yet: ${pending.join(', ')}`, remediation);
  }
  if (unknown.length > 0) {
    const remediation = 'Use the code that has migrated this database, or a newer one.';
    return fail('migrations', `newer than this code: ${unknown.join(', ')}`, remediation);
  }
  return ok('migrations', 'current');
}

async function checkStatusRow(db: Database): Promise<Finding> {
  const status = await readMonitorStatus(db);
  const polled = status.lastPollAt === null ? 'never polled' : `last poll ${status.lastPollAt.toISOString()}`;
  return ok('status_row', `${polled}, ${status.emailsProcessedTotal} emails stored`);
}
