import { describe, expect, test } from 'vitest';
import { planListing } from '../../shared/db/listings.ts';
import { order } from '../helpers/mails.ts';
import { storedIds } from '../helpers/stored.ts';
import type { World } from '../helpers/world.ts';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();
const REFUSAL = { kind: 'status', status: 400, reason: 'invalidArgument', method: 'messages.list' } as const;

async function listings(world: World, purpose: string) {
  return await world.rows(
    `select purpose, finished_at is not null as is_finished, error_code, error_detail, restart_count
     from listings
     where purpose = $1
     order by id`,
    [purpose],
  );
}

describe('a listing whose query Gmail refuses', () => {
  test('fails one cycle, ends with its reason, and lets the next one be made', async () => {
    const world = await createWorld();
    await world.ingest();
    const old = world.gmail.deliver(order(1), { labelIds: ['INBOX'] });
    await world.db.query('delete from email_ledger');
    await world.db.query('update mailboxes set cursor_history_id = $1', [world.gmail.historyId]);
    await planListing(world.db, 1, 'backfill', 'refused');
    await planListing(world.db, 1, 'backfill', 'in:inbox');
    world.gmail.faults.add({ ...REFUSAL, times: 1 });
    expect(await world.ingest()).toMatchObject({
      outcome: 'failed',
      error: {
        code: 'gmail_refused',
        message: expect.stringContaining('(backfill): users.messages.list: 400'),
      },
    });
    expect(await world.ingest()).toMatchObject({ outcome: 'completed' });
    expect(await storedIds(world)).toEqual([old.id]);
    expect(await listings(world, 'backfill')).toEqual([
      expect.objectContaining({ is_finished: true, error_code: 'gmail_refused' }),
      expect.objectContaining({ is_finished: true, error_code: null }),
    ]);
  });

  test('waits for an hour and is asked again when the system itself needs it', async () => {
    const world = await createWorld();
    const { id } = world.gmail.deliver(order(1));
    world.gmail.faults.add({ ...REFUSAL, times: 1 });
    expect(await world.ingest()).toMatchObject({ outcome: 'failed' });
    expect(await world.ingest()).toMatchObject({ outcome: 'completed', counts: { discovered: 0 } });
    expect(await listings(world, 'initial')).toEqual([
      expect.objectContaining({ purpose: 'initial', is_finished: false, error_code: 'gmail_refused' }),
    ]);
    await world.pass(3600);
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
    expect(await listings(world, 'initial')).toEqual([
      expect.objectContaining({ is_finished: true, error_code: null }),
    ]);
  });

  test('begins anew three times for a page token that is refused, not for ever', async () => {
    const world = await createWorld();
    await world.ingest();
    await planListing(world.db, 1, 'backfill', 'in:inbox');
    for (const restarts of [0, 1, 2]) {
      await world.db.query(
        "update listings set page_token = 'outdated', finished_at = null where purpose = 'backfill'",
      );
      world.gmail.faults.add({ ...REFUSAL, times: 1 });
      expect(await world.ingest()).toMatchObject({ outcome: 'completed' });
      expect((await listings(world, 'backfill'))[0]).toMatchObject({
        restart_count: restarts + 1,
        error_code: null,
      });
    }
    await world.db.query(
      "update listings set page_token = 'outdated', finished_at = null where purpose = 'backfill'",
    );
    world.gmail.faults.add({ ...REFUSAL, times: 1 });
    expect(await world.ingest()).toMatchObject({ outcome: 'failed' });
    expect((await listings(world, 'backfill'))[0]).toMatchObject({
      is_finished: true,
      error_code: 'gmail_refused',
    });
  });
});
