/** Does the database answer, and is it the one that this code expects? */
import type { DatabaseTarget } from '../../shared/config.ts';
import type { Database } from '../../shared/db/database.ts';
import { readSchemaDifference } from '../../shared/db/migrations.ts';
import { readMonitorStatus } from '../../shared/db/monitor-status.ts';
import { type Finding, fail, failure, ok, skip } from './finding.ts';

/** In this order; after a failure the rest is skipped. */
export async function checkDatabase(db: Database, target: DatabaseTarget): Promise<Finding[]> {
  const steps: [string, () => Promise<Finding>][] = [
    ['database', async () => await checkReachable(db, target)],
    ['schema', async () => await checkSchema(db)],
    ['status row', async () => await checkStatusRow(db)],
  ];
  const findings: Finding[] = [];
  for (const [name, step] of steps) {
    const isLost = findings.some((finding) => finding.state === 'FAIL');
    findings.push(
      isLost ? skip(name, 'not looked at') : await step().catch((error: unknown) => failure(name, error)),
    );
  }
  return findings;
}

async function checkReachable(db: Database, target: DatabaseTarget): Promise<Finding> {
  const { rows } = await db.query<{ version: string }>("select current_setting('server_version') as version");
  return ok('database', `PostgreSQL ${rows[0]?.version ?? ''} at ${placeOf(target)}`);
}

/** Without account and password. */
function placeOf(target: DatabaseTarget): string {
  if (target.kind === 'cloud_sql') return `${target.instance}/${target.database}`;
  const { host, pathname } = new URL(target.url);
  return `${host}${pathname}`;
}

async function checkSchema(db: Database): Promise<Finding> {
  const { pending, unknown } = await readSchemaDifference(db);
  if (pending.length > 0) {
    return fail('schema', `not applied yet: ${pending.join(', ')}`, 'Run `npm run migrate`.');
  }
  if (unknown.length > 0) {
    const cure = 'Use the code that has migrated this database, or a newer one.';
    return fail('schema', `newer than this code: ${unknown.join(', ')}`, cure);
  }
  return ok('schema', 'current');
}

async function checkStatusRow(db: Database): Promise<Finding> {
  const status = await readMonitorStatus(db);
  const polled = status.lastPollAt === null ? 'never polled' : `last poll ${status.lastPollAt.toISOString()}`;
  return ok('status row', `${polled}, ${status.emailsProcessedTotal} emails stored`);
}
