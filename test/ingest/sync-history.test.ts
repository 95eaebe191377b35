import { describe, expect, test } from 'vitest';
import { mailboxRow } from '../helpers/leased-mailbox.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import { mail } from '../helpers/test-emails.ts';
import { deliverOrders, notificationOf, useIngestSystems } from './scenario.ts';

const { createTestSystem, startedSystem } = useIngestSystems();
const LEASE = { mailboxId: 1, token: '' };

describe('late history', () => {
  test('a push run reads the history again until it shows the announced message', async () => {
    const system = await createTestSystem({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    await system.ingest();
    await system.turnOn();
    system.gmail.indexLag.historyMs = 2_500;
    const { id } = system.gmail.deliver(mail('Order'));
    await system.call('gmailPush', { body: notificationOf(system) });
    expect(await storedIds(system)).toEqual([id]);
    expect(system.sleeps.reduce((sum, ms) => sum + ms, 0)).toBeLessThan(7_000);
  });

  test('finds a record that appears behind newer ones, because the cursor waits for the settle time', async () => {
    const system = await createTestSystem({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    await system.ingest();
    system.gmail.indexLag.nextRecordMs = 60_000;
    const late = system.gmail.deliver(mail('Late'));
    const prompt = system.gmail.deliver(mail('Prompt'));
    await system.ingest();
    expect(await storedIds(system)).toEqual([prompt.id]);
    await system.pass(61);
    await system.ingest();
    expect(await storedIds(system)).toEqual([late.id, prompt.id].sort());
    // The cursor waited for the settle time, and is then at Gmail's current history id.
    for (let n = 0; n < 3; n += 1) {
      await system.pass(91);
      await system.ingest();
    }
    expect((await mailboxRow(system.db, LEASE)).cursor_history_id).toBe(system.gmail.historyId);
  });

  test('reads past empty history pages that have a next page', async () => {
    const system = await startedSystem();
    system.gmail.emptyHistoryPages = 3;
    const ids = deliverOrders(system, 2);
    await system.ingest();
    expect(await storedIds(system)).toEqual(ids);
  });

  test('a history longer than a run moves the cursor in each run after the settle time, up to its end', async () => {
    const system = await startedSystem({ skipsDelays: true });
    const ids = Array.from({ length: 1_800 }, (_, n) => system.gmail.deliver(mail(`${n}`)).id).sort();
    // Each page takes so long that the run stops reading the history after it.
    const slow = { kind: 'delay', delayMs: 9_000, method: 'history.list' } as const;
    const cursors: bigint[] = [];
    for (let n = 0; n < 20; n += 1) {
      const fault = system.gmail.faults.add(slow);
      await system.ingest({ budgetMs: 3_000 + 21_000 });
      system.gmail.faults.remove(fault);
      cursors.push(BigInt((await mailboxRow(system.db, LEASE)).cursor_history_id));
      if (cursors.at(-1) === BigInt(system.gmail.historyId)) break;
      if (n > 1) expect(cursors.at(-1)).toBeGreaterThan(cursors.at(-2) ?? 0n);
    }
    expect(cursors.at(-1)).toBe(BigInt(system.gmail.historyId));
    expect(Object.keys(await ledger(system)).sort()).toEqual(ids);
  });

  test('a history longer than a run does not block a live message at its end', async () => {
    const system = await startedSystem({ skipsDelays: true });
    const old = system.gmail.deliver(mail('Old'));
    for (let n = 0; n < 1_500; n += 1)
      system.gmail.modifyLabels(old.id, n % 2 === 0 ? { add: ['STARRED'] } : { remove: ['STARRED'] });
    const { id } = system.gmail.deliver(mail('Live'));
    system.gmail.faults.add({ kind: 'delay', delayMs: 9_000, method: 'history.list' });
    expect(await system.ingest({ budgetMs: 3_000 + 35_000 })).toMatchObject({ outcome: 'out_of_time' });
    expect(await storedIds(system)).toContain(id);
  });
});
