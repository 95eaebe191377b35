/** Outages of Gmail, as runs see them. The rules are in `outage-detector.test.ts`. */
import { describe, expect, test } from 'vitest';
import type { FaultRule } from '../../emulators/gmail/fault-rules.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import { mail } from '../helpers/test-emails.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { deliverOrders, useIngestSystems } from './scenario.ts';

const { startedSystem } = useIngestSystems();

describe('outage', () => {
  const nothingCharged = async (system: TestSystem) =>
    expect(
      await system.rows('select 1 from email_ledger where attempt_count > 0 or claim_token is not null'),
    ).toEqual([]);

  test.each([
    ['503', { kind: 'status', status: 503 }],
    ['400', { kind: 'status', status: 400 }],
    ['403 forbidden', { kind: 'status', status: 403, reason: 'forbidden' }],
    ['half an answer', { kind: 'truncate' }],
  ] satisfies [string, FaultRule][])(
    'charges no message while all fail with %s for twelve hours, and reports the state fetch_failing',
    async (_case, fault) => {
      const system = await startedSystem();
      await system.turnOn();
      const ids = deliverOrders(system, 20);
      system.gmail.faults.add({ ...fault, method: 'messages.get' });
      for (let n = 0; n < 9; n += 1) {
        await system.pass(4_800);
        await system.ingest({ trigger: 'schedule', budgetMs: 50_000 });
      }
      await nothingCharged(system);
      expect((await system.call('status')).json).toMatchObject({ state: 'fetch_failing' });
      system.gmail.faults.clear();
      await system.ingest({ trigger: 'schedule' });
      expect(await storedIds(system)).toEqual(ids);
    },
  );

  test('a run stops fetching after thirty failures without a success', async () => {
    const system = await startedSystem();
    deliverOrders(system, 100);
    system.gmail.faults.add({ kind: 'status', status: 400, method: 'messages.get' });
    const report = await system.ingest({ budgetMs: 600_000 });
    expect(report.outcome).toBe('completed');
    expect(report.counts.failed).toBeGreaterThanOrEqual(30);
    expect(report.counts.failed).toBeLessThan(46);
    await nothingCharged(system);
  });

  test('makes one call at a time with growing pauses after eight consecutive failures', async () => {
    const system = await startedSystem();
    deliverOrders(system, 20);
    system.gmail.faults.add({ kind: 'status', status: 400, method: 'messages.get' });
    await system.ingest({ budgetMs: 600_000 });
    expect(system.sleeps).toEqual(expect.arrayContaining([250, 500, 1_000, 2_000, 4_000, 5_000]));
  });

  test('an outage does not mark messages dead that are on their last attempt', async () => {
    const system = await startedSystem();
    const ids = deliverOrders(system, 12);
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'messages.get' });
    await system.ingest({ budgetMs: 600_000 });
    await system.db.query('update email_ledger set attempt_count = 7');
    await system.ingest({ budgetMs: 600_000 });
    expect(Object.values(await ledger(system))).toEqual(ids.map(() => 'pending'));
    system.gmail.faults.clear();
    await system.ingest();
    expect(await storedIds(system)).toEqual(ids);
  });

  test('stores a new message while nine others keep failing', async () => {
    const system = await startedSystem();
    const bad = deliverOrders(system, 9);
    for (const messageId of bad) system.gmail.faults.add({ kind: 'status', status: 500, messageId });
    await system.ingest({ budgetMs: 600_000 });
    const { id } = system.gmail.deliver(mail('New'));
    await system.pass(300);
    await system.ingest({ budgetMs: 600_000 });
    expect(await storedIds(system)).toEqual([id]);
  });

  test('a run fails while the history is unavailable, and the next run stores the messages', async () => {
    const system = await startedSystem();
    const ids = deliverOrders(system, 3);
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    expect(await system.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'gmail_unavailable' } });
    system.gmail.faults.clear();
    await system.ingest();
    expect(await storedIds(system)).toEqual(ids);
  });
});
