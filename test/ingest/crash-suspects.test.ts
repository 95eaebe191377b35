/** Claims that a run could not end, and how later runs handle them. */

import { describe, expect, test } from 'vitest';
import { recordOpenWithSuspect } from '../helpers/open-claims.ts';
import { incompleteEmails, ledger, storedIds } from '../helpers/stored.ts';
import { order } from '../helpers/test-emails.ts';
import type { TestSystem, TestSystemOptions } from '../helpers/test-system.ts';
import { deliverOrders, useIngestSystems } from './scenario.ts';

const { createTestSystem, startedSystem } = useIngestSystems();

/** Allows new claims and the sweep of an earlier run's claims. Every statement that ends a claim fails as on a full disk. */
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

describe('full disk', () => {
  test('a run that cannot end its claims releases them at its end, and no message becomes a crash suspect', async () => {
    let sleptCount = 0;
    const system: TestSystem = await createTestSystem({
      // The disk stays full for the retries of one release, and is free again during those at the end of the run.
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

describe('crash suspect', () => {
  /** As if a process had ended while these messages were open. */
  async function died(system: TestSystem, ids: readonly string[]): Promise<void> {
    await system.db.query(
      'update email_ledger set claim_token = gen_random_uuid() where gmail_message_id = $1',
      [ids[0]],
    );
    await system.db.query(
      `update email_ledger
       set claim_token = (select claim_token from email_ledger where gmail_message_id = $1)
       where gmail_message_id = any ($2)`,
      [ids[0], ids],
    );
  }

  /** Messages in the ledger that were never tried. */
  async function discovered(
    count: number,
    options?: TestSystemOptions,
  ): Promise<{ system: TestSystem; ids: string[] }> {
    const system = await startedSystem(options);
    const ids = deliverOrders(system, count);
    const fault = system.gmail.faults.add({ kind: 'status', status: 429, method: 'messages.get' });
    await system.ingest({ budgetMs: 6_000 });
    system.gmail.faults.remove(fault);
    await system.pass(3600);
    system.gmail.resetCounters();
    return { system, ids };
  }

  test('fetches the messages that were open when a process died one at a time, after all others, and charges none', async () => {
    const { system, ids } = await discovered(12);
    const suspects = ids.slice(0, 5);
    await died(system, suspects);
    await system.ingest();
    expect(await storedIds(system)).toEqual(ids);
    const order = system.gmail.callLog.calls.flatMap((call) => call.messageId ?? []);
    expect(order.slice(-5).sort()).toEqual(suspects);
    expect(await incompleteEmails(system)).toEqual([]);
    expect(
      await system.rows('select 1 from email_ledger where attempt_count > 0 or crash_count > 0'),
    ).toEqual([]);
  });

  test('fetches a crash suspect while the retries of other messages fail for as long as a run lasts', async () => {
    const { system, ids } = await discovered(20);
    await system.turnOn();
    const [suspect = '', ...failing] = ids;
    for (const messageId of failing) system.gmail.faults.add({ kind: 'status', status: 500, messageId });
    await system.db.query(
      `update email_ledger
       set last_attempt_at = now() - interval '1 hour', error_code = 'gmail_unavailable'
       where gmail_message_id = any ($1)`,
      [failing],
    );
    await system.db.query('update mailbox_quota set pause_seconds = 0, paused_until = null');
    await died(system, [suspect]);
    await system.ingest({ trigger: 'schedule', budgetMs: 20_000 });
    expect(await storedIds(system)).toEqual([suspect]);
  });

  test('marks a message dead after three processes died while only it was open', async () => {
    const { system, ids } = await discovered(3);
    const [killer = ''] = ids;
    await system.db.query('update email_ledger set crash_count = 2 where gmail_message_id = $1', [killer]);
    await died(system, [killer]);
    expect(await system.ingest()).toMatchObject({ counts: { dead: 1, stored: 2 } });
    expect(await ledger(system)).toMatchObject({ [killer]: 'dead' });
    expect(system.log.find((line) => line['event'] === 'message_dead')).toMatchObject({
      gmail_message_id: killer,
      error_code: 'killed_process',
    });
  });

  test('fetches live crash suspects before the backlog', async () => {
    const { system, ids } = await discovered(3);
    await died(system, ids);
    const old = Array.from(
      { length: 8 },
      (_, n) => system.gmail.deliver(order(`old ${n}`), { labelIds: [], internalDate: new Date(0) }).id,
    );
    await system.db.query(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, priority)
       select 1, id, 'backfill', 1 from unnest($1::text[]) as id`,
      [old],
    );
    // So that the history does not find them to be live.
    await system.db.query('update mailboxes set cursor_history_id = $1::numeric', [system.gmail.historyId]);
    await system.ingest();
    const order_ = system.gmail.callLog.calls.flatMap((call) => call.messageId ?? []);
    expect(order_.slice(0, 3).sort()).toEqual(ids);
    expect(order_).toHaveLength(11);
  });
});

describe('live crash suspect', () => {
  test('fetches a live crash suspect alone and before the backlog', async () => {
    const system = await createTestSystem();
    for (let n = 0; n < 12; n += 1) system.gmail.deliver(order(n));
    system.gmail.latencyMs = 20;
    // Entered but not fetched.
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
    const maxOpen = await recordOpenWithSuspect(system);
    await system.ingest();
    expect((await storedIds(system)).length).toBe(12);
    expect(
      await system.rows(
        'select e.id from incoming_emails e join email_ledger l using (gmail_message_id) where l.priority = 0',
      ),
    ).toEqual([{ id: 1 }]);
    expect(await maxOpen()).toBe(1);
  });
});

describe('dead crash suspect', () => {
  test('a dead crash suspect makes no poll due before its daily retry, nor after an operator gave it up', async () => {
    const system = await createTestSystem({ env: { GMAIL_POLL_INTERVAL_SECONDS: '3600' } });
    await system.turnOn();
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
