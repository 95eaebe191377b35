/** Claims that a run could not end, and what the next runs make of them. */
import { describe, expect, test } from 'vitest';
import { order } from '../helpers/mails.ts';
import { storedIds } from '../helpers/stored.ts';
import type { World } from '../helpers/world.ts';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();

/** Claims can be taken, and those of an earlier run be swept; everything that would end one fails as on a full disk. */
async function fillDisk(world: World): Promise<void> {
  await world.db.query(`
    create or replace function fail_full() returns trigger language plpgsql as
    $$ begin raise exception 'disk full' using errcode = '53100'; end $$`);
  await world.db.query(`
    create trigger full_disk before update on email_ledger for each row
    when (
      old.claim_token is not null
      and new.claim_token is null
      and not (new.is_crash_suspect and (not old.is_crash_suspect or new.crash_count > old.crash_count))
    )
    execute function fail_full()`);
}

async function freeDisk(world: World): Promise<void> {
  await world.db.query('drop trigger if exists full_disk on email_ledger');
}

describe('a run that cannot end its claims because the disk is full', () => {
  test('releases them when it ends, and no message counts as one that crashed its process', async () => {
    let sleptCount = 0;
    const world: World = await createWorld({
      // Longer than the retries of one release, and shorter than those at the end of the run after them.
      onSleep: async () => {
        sleptCount += 1;
        if (sleptCount % 6 === 0) await freeDisk(world);
      },
    });
    await world.ingest();
    const { id } = world.gmail.deliver(order(1));
    for (let n = 0; n < 3; n += 1) {
      sleptCount = 0;
      await fillDisk(world);
      expect(await world.ingest()).toMatchObject({ outcome: 'failed' });
      await freeDisk(world);
      await world.pass(600);
    }
    expect(
      await world.rows('select state, crash_count, is_crash_suspect, attempt_count from email_ledger'),
    ).toEqual([{ state: 'pending', crash_count: 0, is_crash_suspect: false, attempt_count: 0 }]);
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
  });
});
