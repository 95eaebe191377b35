import { expect, test } from 'vitest';
import type { Database } from '../../shared/db/database.ts';
import { Deadline } from '../../shared/deadline.ts';
import { ingestMailbox } from '../../shared/ingest/ingest-mailbox.ts';
import { createSystem } from '../../shared/ingest/system.ts';
import { mail } from '../helpers/mails.ts';
import type { World } from '../helpers/world.ts';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();

/** A cycle of the scheduler. @returns its statements, and the units that it paid */
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
  const system = createSystem({ ...world.context, db: counting });
  const { outcome, counts } = await ingestMailbox(system, {
    trigger: 'schedule',
    deadline: Deadline.after(60_000),
  });
  expect(outcome).toBe('completed');
  return { statements, units: counts.quotaUnits };
}

test('a poll that finds nothing asks Gmail once and the database five times', async () => {
  const world = await createWorld();
  await world.switchOn();
  world.gmail.deliver(mail('Before'));
  await poll(world);
  // The first listing and the first proof settle.
  await world.pass(100);
  await poll(world);
  await poll(world);

  const { statements, units } = await poll(world);
  expect(units).toBe(2);
  expect(statements).toHaveLength(5);
});
