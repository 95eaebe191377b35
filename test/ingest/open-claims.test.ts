/** Claims that a run could not end, and what the next runs make of them. */
import { describe, expect, test } from 'vitest';
import { order } from '../helpers/mails.ts';
import { storedIds } from '../helpers/stored.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();

/** Claims can be taken, and those of an earlier run be swept; everything that would end one fails as on a full disk. */
async function fillDisk(system: TestSystem): Promise<void> {
  await system.db.query(`
    create or replace function fail_full() returns trigger language plpgsql as
    $$ begin raise exception 'disk full' using errcode = '53100'; end $$`);
  await system.db.query(`
    create trigger full_disk before update on email_ledger for each row
    when (
      old.claim_token is not null
      and new.claim_token is null
      and not (new.is_crash_suspect and (not old.is_crash_suspect or new.crash_count > old.crash_count))
    )
    execute function fail_full()`);
}

async function freeDisk(system: TestSystem): Promise<void> {
  await system.db.query('drop trigger if exists full_disk on email_ledger');
}

describe('a run that cannot end its claims because the disk is full', () => {
  test('releases them when it ends, and no message counts as one that crashed its process', async () => {
    let sleptCount = 0;
    const system: TestSystem = await createTestSystem({
      // Longer than the retries of one release, and shorter than those at the end of the run after them.
      onSleep: async () => {
        sleptCount += 1;
        if (sleptCount % 6 === 0) await freeDisk(system);
      },
    });
    await system.ingest();
    const { id } = system.gmail.deliver(order(1));
    for (let n = 0; n < 3; n += 1) {
      sleptCount = 0;
      await fillDisk(system);
      expect(await system.ingest()).toMatchObject({ outcome: 'failed' });
      await freeDisk(system);
      await system.pass(600);
    }
    expect(
      await system.rows('select state, crash_count, is_crash_suspect, attempt_count from email_ledger'),
    ).toEqual([{ state: 'pending', crash_count: 0, is_crash_suspect: false, attempt_count: 0 }]);
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
  });
});

describe('a message that may have crashed its process', () => {
  test('is fetched alone and before the backlog', async () => {
    const system = await createTestSystem();
    for (let n = 0; n < 12; n += 1) system.gmail.deliver(order(n));
    system.gmail.latencyMs = 20;
    // Entered, and not fetched.
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'messages.get' });
    await system.ingest();
    system.gmail.faults.clear();
    await system.rows(`
      update email_ledger
      set attempt_count = 0,
          last_attempt_at = null,
          next_attempt_at = now(),
          priority = 1,
          error_code = null`);
    await system.rows(`
      update email_ledger
      set is_crash_suspect = true, priority = 0
      where id in (select min(id) from email_ledger)`);
    await system.rows('create table open_beside_suspect (open_count integer)');
    await system.rows(`
      create function note_open() returns trigger language plpgsql as $$
      begin
        insert into open_beside_suspect
        select count(*) from email_ledger where claim_token is not null having bool_or(is_crash_suspect);
        return null;
      end $$`);
    await system.rows(
      'create trigger note_open after update on email_ledger for each statement execute function note_open()',
    );
    await system.ingest();
    expect((await storedIds(system)).length).toBe(12);
    expect(
      await system.rows(
        'select e.id from incoming_emails e join email_ledger l using (gmail_message_id) where l.priority = 0',
      ),
    ).toEqual([{ id: 1 }]);
    expect(await system.rows('select max(open_count)::integer as n from open_beside_suspect')).toEqual([
      { n: 1 },
    ]);
  });
});

describe('a message that is dead because it crashed its process', () => {
  test('makes no poll due before its daily retry, nor after an operator gave it up', async () => {
    const system = await createTestSystem({ env: { GMAIL_POLL_INTERVAL_SECONDS: '3600' } });
    await system.switchOn();
    await system.ingest({ trigger: 'schedule' });
    system.gmail.deliver(order(1));
    await system.ingest();
    await system.rows(`
      update email_ledger
      set state = 'dead', is_crash_suspect = true, crash_count = 3, next_attempt_at = now() + interval '1 hour'`);
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'not_due' });
    await system.rows(`update email_ledger set next_attempt_at = now()`);
    expect(await system.rows('select has_due_message(1) as is_due')).toEqual([{ is_due: true }]);
    await system.rows(`update email_ledger set given_up_at = now(), next_attempt_at = null`);
    expect(await system.rows('select has_due_message(1) as is_due')).toEqual([{ is_due: false }]);
  });
});
