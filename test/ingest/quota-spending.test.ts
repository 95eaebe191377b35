import { describe, expect, test, vi } from 'vitest';
import { CallGate } from '../helpers/call-gate.ts';
import { storedIds } from '../helpers/stored.ts';
import { mail } from '../helpers/test-emails.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { useIngestSystems } from './scenario.ts';

const { createTestSystem, startedSystem } = useIngestSystems();

describe('quota', () => {
  /** Two instances take turns until 400 messages are stored. */
  async function fetch400(system: TestSystem): Promise<void> {
    const ids = Array.from({ length: 400 }, (_, n) => system.gmail.deliver(mail(`${n}`)).id);
    const instances = [system, system.instance()];
    for (let n = 0; n < 12; n += 1) {
      await instances[n % 2]?.ingest({ budgetMs: 50_000 });
      await system.pass(10);
    }
    expect(await storedIds(system)).toEqual(expect.arrayContaining(ids));
  }

  test('two instances never exceed a continuously refilling quota', async () => {
    const system = await createTestSystem({ gmail: { quotaUnitsPerMinute: 6_000, quotaKind: 'refill' } });
    await fetch400(system);
    expect(system.gmail.quota.refusedForUnits).toBe(0);
    // Units refill within the minute.
    expect(maxUnitsPerMinute(system)).toBeGreaterThan(7_500);
  });

  test('a quota of whole minutes limits at most 40 calls and loses no message', async () => {
    const system = await createTestSystem({ gmail: { quotaUnitsPerMinute: 6_000, quotaKind: 'window' } });
    await fetch400(system);
    expect(system.gmail.quota.refusedForUnits).toBeGreaterThan(0);
    expect(system.gmail.quota.refusedForUnits).toBeLessThanOrEqual(40);
    expect(
      await system.rows("select 1 from email_ledger where state <> 'stored' or attempt_count > 0"),
    ).toEqual([]);
  });

  test('a concurrency limit does not pause spending', async () => {
    const gate = new CallGate();
    // The first call stays in flight until another one is limited.
    const system = await startedSystem({ gmail: { maxConcurrent: 1, timers: gate.timers } });
    gate.hold(system.gmail, 'messages.get');
    const ids = Array.from({ length: 10 }, (_, n) => system.gmail.deliver(mail(`${n}`)).id).sort();
    const run = system.ingest();
    await vi.waitFor(() => expect(system.gmail.quota.refusedForConcurrency).toBeGreaterThan(0), {
      timeout: 20_000,
    });
    system.gmail.quota.maxConcurrent = null;
    gate.release();
    expect((await run).counts.rateLimited).toBeGreaterThan(0);
    await system.ingest();
    expect(await storedIds(system)).toEqual(ids);
    expect(await system.rows('select 1 from mailbox_quota where pause_seconds > 0')).toEqual([]);
  });

  test('a run waits for quota units while it has time', async () => {
    const system = await startedSystem({
      env: { GMAIL_QUOTA_UNITS_PER_MINUTE: '100' },
      gmail: { quotaUnitsPerMinute: 100, quotaKind: 'refill' },
    });
    for (let n = 0; n < 6; n += 1) system.gmail.deliver(mail(`${n}`));
    expect(await system.ingest({ budgetMs: 200_000 })).toMatchObject({
      outcome: 'completed',
      counts: { stored: 6, rateLimited: 0 },
    });
    expect(Math.max(...system.sleeps)).toBeGreaterThan(10_000);
  });

  test('a rejected access token after a rate limit is replaced without another wait for its single call', async () => {
    const system = await startedSystem();
    await system.rows('update mailbox_quota set pause_seconds = 16, paused_until = null');
    // The token expired: only the first call is rejected. No message is waiting, because its call would be a single call too: the
    // fetcher waits for its result, and that wait passes at once on the clock of the test.
    system.gmail.faults.add({ kind: 'status', status: 401, times: 1 });
    expect(await system.ingest({ budgetMs: 12_000 })).toMatchObject({ outcome: 'completed' });
    const { id } = system.gmail.deliver(mail('1'));
    expect(await system.ingest()).toMatchObject({ outcome: 'completed', counts: { stored: 1 } });
    expect(await storedIds(system)).toEqual([id]);
  });
});

/** The most units within sixty seconds, by Gmail's clock. */
function maxUnitsPerMinute(system: TestSystem): number {
  const { calls } = system.gmail.callLog;
  const sorted = calls.toSorted((a, b) => a.atMs - b.atMs);
  let most = 0;
  let sum = 0;
  let from = 0;
  for (const call of sorted) {
    sum += call.units;
    while (call.atMs - (sorted[from]?.atMs ?? 0) >= 60_000) {
      sum -= sorted[from]?.units ?? 0;
      from += 1;
    }
    most = Math.max(most, sum);
  }
  return most;
}
