import { describe, expect, test, vi } from 'vitest';
import { CallGate } from '../helpers/call-gate.ts';
import { mail } from '../helpers/mails.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import type { TestSystem, TestSystemOptions } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();

async function watched(options?: TestSystemOptions): Promise<TestSystem> {
  const system = await createTestSystem(options);
  await system.ingest();
  return system;
}

describe('the time of an invocation', () => {
  test('ends with a backlog in a state from which the next goes on', async () => {
    // Sixty messages a minute: the quota is what time is spent on.
    const system = await createTestSystem({ env: { GMAIL_QUOTA_UNITS_PER_MINUTE: '1200' } });
    const ids = Array.from({ length: 200 }, (_, n) => system.gmail.deliver(mail(`${n}`)).id).sort();
    const outcomes: string[] = [];
    while (outcomes.at(-1) !== 'completed' && outcomes.length < 10) {
      outcomes.push((await system.ingest({ budgetMs: 50_000 })).outcome);
      expect(await system.rows('select 1 from email_ledger where claim_token is not null')).toEqual([]);
      await system.pass(20);
    }
    expect(outcomes.slice(0, 2)).toEqual(['out_of_time', 'out_of_time']);
    expect(outcomes.at(-1)).toBe('completed');
    expect(await storedIds(system)).toEqual(ids);
    expect(await system.rows('select 1 from email_ledger where attempt_count > 0')).toEqual([]);
  });

  test('that is over before it begins costs nothing', async () => {
    const system = await watched();
    const { id } = system.gmail.deliver(mail('Order'));
    expect(await system.ingest({ budgetMs: 3_000 })).toMatchObject({ outcome: 'out_of_time', error: null });
    expect(await ledger(system)).toEqual({});
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
  });

  test('releases what is in flight when it ends', async () => {
    const gate = new CallGate();
    const system = await watched({ gmail: { timers: gate.timers } });
    const { id } = system.gmail.deliver(mail('Order'));
    gate.hold(system.gmail, 'messages.get');
    expect(await system.ingest({ budgetMs: 3_000 + 1_900 })).toMatchObject({ outcome: 'out_of_time' });
    expect(await system.rows('select attempt_count, claim_token, last_attempt_at from email_ledger')).toEqual(
      [{ attempt_count: 0, claim_token: null, last_attempt_at: null }],
    );
    gate.release();
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
  });
});

describe('live mail', () => {
  test('goes ahead of a backlog that was there before it', async () => {
    const system = await createTestSystem({ env: { GMAIL_QUOTA_UNITS_PER_MINUTE: '1200' } });
    for (let n = 0; n < 150; n += 1)
      system.gmail.deliver(mail(`${n}`), { internalDate: new Date(n * 1_000) });
    await system.ingest({ budgetMs: 50_000 });
    const { id } = system.gmail.deliver(mail('Live'));
    await system.pass(60);
    system.gmail.resetCounters();
    await system.ingest({ budgetMs: 50_000 });
    expect(system.gmail.callLog.calls.find((call) => call.method === 'messages.get')?.messageId).toBe(id);
  });
});

describe('the quota', () => {
  /** Two instances in turn until 400 messages are stored. */
  async function fetch400(system: TestSystem): Promise<void> {
    const ids = Array.from({ length: 400 }, (_, n) => system.gmail.deliver(mail(`${n}`)).id);
    const instances = [system, system.instance()];
    for (let n = 0; n < 12; n += 1) {
      await instances[n % 2]?.ingest({ budgetMs: 50_000 });
      await system.pass(10);
    }
    expect(await storedIds(system)).toEqual(expect.arrayContaining(ids));
  }

  test('of a Gmail whose budget refills is never exceeded, and no call is limited', async () => {
    const system = await createTestSystem({ gmail: { quotaUnitsPerMinute: 6_000, quotaKind: 'refill' } });
    await fetch400(system);
    expect(system.gmail.quota.refusedForUnits).toBe(0);
    // The second hundred did not wait for the end of the minute.
    expect(mostInAMinute(system)).toBeGreaterThan(7_500);
  });

  test('of a Gmail that counts its minutes whole costs some limited calls and no message', async () => {
    const system = await createTestSystem({ gmail: { quotaUnitsPerMinute: 6_000, quotaKind: 'window' } });
    await fetch400(system);
    expect(system.gmail.quota.refusedForUnits).toBeGreaterThan(0);
    expect(system.gmail.quota.refusedForUnits).toBeLessThanOrEqual(40);
    expect(
      await system.rows("select 1 from email_ledger where state <> 'stored' or attempt_count > 0"),
    ).toEqual([]);
  });

  test('is not paused when only the calls in flight were too many', async () => {
    const gate = new CallGate();
    // The first call stays in flight until another was limited.
    const system = await watched({ gmail: { maxConcurrent: 1, timers: gate.timers } });
    gate.hold(system.gmail, 'messages.get');
    const ids = Array.from({ length: 10 }, (_, n) => system.gmail.deliver(mail(`${n}`)).id).sort();
    const run = system.ingest();
    await vi.waitFor(() => expect(system.gmail.quota.refusedForConcurrency).toBeGreaterThan(0));
    system.gmail.quota.maxConcurrent = null;
    gate.release();
    expect((await run).counts.rateLimited).toBeGreaterThan(0);
    await system.ingest();
    expect(await storedIds(system)).toEqual(ids);
    expect(await system.rows('select 1 from mailbox_quota where pause_seconds > 0')).toEqual([]);
  });

  test('that is spent is waited for, if there is time', async () => {
    const system = await watched({
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
});

/** Units of the fullest sixty seconds, by Gmail's clock. */
function mostInAMinute(system: TestSystem): number {
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
