import { expect, test } from 'vitest';
import type { Database } from '../../shared/db/database.ts';
import { Deadline } from '../../shared/deadline.ts';
import { createIngestContext } from '../../shared/ingest/ingest-context.ts';
import { ingestMailbox } from '../../shared/ingest/ingest-mailbox.ts';
import { mail } from '../helpers/mails.ts';
import type { World } from '../helpers/world.ts';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();

/** One scheduled run. @returns its statements, and the quota units that it spent */
async function poll(world: World): Promise<{ statements: string[]; units: number }> {
  const statements: string[] = [];
  const { db } = world.context;
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
  const app = createIngestContext({ ...world.context, db: counting });
  const { outcome, counts } = await ingestMailbox(app, {
    trigger: 'schedule',
    deadline: Deadline.after(60_000),
  });
  expect(outcome).toBe('completed');
  return { statements, units: counts.quotaUnits };
}

test('a poll that finds nothing costs one call to Gmail and seven statements', async () => {
  const world = await createWorld();
  await world.switchOn();
  world.gmail.deliver(mail('Before'));
  await poll(world);
  // The first listing runs again, and the first reconciliation is evaluated.
  await world.pass(100);
  await poll(world);
  await poll(world);

  const { statements, units } = await poll(world);
  expect(units).toBe(2);
  expect(statements).toHaveLength(7);
});
