import { expect, test } from 'vitest';
import type { Database } from '../../shared/db/database.ts';
import { Deadline } from '../../shared/deadline.ts';
import { createIngestContext } from '../../shared/ingest/ingest-context.ts';
import { ingestMailbox } from '../../shared/ingest/ingest-mailbox.ts';
import { mail } from '../helpers/test-emails.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();

/** One scheduled run. @returns its statements, and the quota units that it spent */
async function poll(system: TestSystem): Promise<{ statements: string[]; units: number }> {
  const statements: string[] = [];
  const { db } = system.context;
  const counting: Database = {
    ...db,
    query: async (sql, parameters) => {
      statements.push((typeof sql === 'string' ? sql : sql.text).trim());
      return await db.query(sql, parameters);
    },
    transaction: async (work) => {
      statements.push('begin', 'commit');
      return await db.transaction(work);
    },
  };
  const app = createIngestContext({ ...system.context, db: counting });
  const { outcome, counts } = await ingestMailbox(app, {
    trigger: 'schedule',
    deadline: Deadline.after(60_000),
  });
  expect(outcome).toBe('completed');
  return { statements, units: counts.quotaUnits };
}

test.each([
  ['', {}],
  [', also with retention', { RETENTION_DAYS: '30' }],
  [', also with a topic for stored emails', { EMAILS_PUBSUB_TOPIC: 'projects/demo/topics/emails' }],
])('a poll that finds nothing costs one call to Gmail and seven statements%s', async (_case, env) => {
  const system = await createTestSystem({ env: { ...env, PUBSUB_EMULATOR_HOST: '127.0.0.1:9' } });
  await system.turnOn();
  system.gmail.deliver(mail('Before'));
  await poll(system);
  // The first listing runs again, and the first reconciliation is evaluated.
  await system.pass(100);
  await poll(system);
  await poll(system);
  await system.rows('delete from email_outbox');

  const { statements, units } = await poll(system);
  expect(units).toBe(2);
  expect(statements).toHaveLength(7);
});
