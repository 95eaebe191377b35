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

describe('a message that may have crashed its process', () => {
  test('is fetched alone and before the backlog', async () => {
    const world = await createWorld();
    for (let n = 0; n < 12; n += 1) world.gmail.deliver(order(n));
    world.gmail.latencyMs = 20;
    // Entered, and not fetched.
    world.gmail.faults.add({ kind: 'status', status: 503, method: 'messages.get' });
    await world.ingest();
    world.gmail.faults.clear();
    await world.rows(`
      update email_ledger
      set attempt_count = 0,
          last_attempt_at = null,
          next_attempt_at = now(),
          priority = 1,
          error_code = null`);
    await world.rows(`
      update email_ledger
      set is_crash_suspect = true, priority = 0
      where id in (select min(id) from email_ledger)`);
    await world.rows('create table open_beside_suspect (open_count integer)');
    await world.rows(`
      create function note_open() returns trigger language plpgsql as $$
      begin
        insert into open_beside_suspect
        select count(*) from email_ledger where claim_token is not null having bool_or(is_crash_suspect);
        return null;
      end $$`);
    await world.rows(
      'create trigger note_open after update on email_ledger for each statement execute function note_open()',
    );
    await world.ingest();
    expect((await storedIds(world)).length).toBe(12);
    expect(
      await world.rows(
        'select e.id from incoming_emails e join email_ledger l using (gmail_message_id) where l.priority = 0',
      ),
    ).toEqual([{ id: 1 }]);
    expect(await world.rows('select max(open_count)::integer as n from open_beside_suspect')).toEqual([
      { n: 1 },
    ]);
  });
});

describe('a message that is dead because it crashed its process', () => {
  test('makes no poll due before its daily retry, nor after an operator gave it up', async () => {
    const world = await createWorld({ env: { GMAIL_POLL_INTERVAL_SECONDS: '3600' } });
    await world.switchOn();
    await world.ingest({ trigger: 'schedule' });
    world.gmail.deliver(order(1));
    await world.ingest();
    await world.rows(`
      update email_ledger
      set state = 'dead', is_crash_suspect = true, crash_count = 3, next_attempt_at = now() + interval '1 hour'`);
    expect(await world.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'not_due' });
    await world.rows(`update email_ledger set next_attempt_at = now()`);
    expect(await world.rows('select has_due_message(1) as is_due')).toEqual([{ is_due: true }]);
    await world.rows(`update email_ledger set given_up_at = now(), next_attempt_at = null`);
    expect(await world.rows('select has_due_message(1) as is_due')).toEqual([{ is_due: false }]);
  });
});
