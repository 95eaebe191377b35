import { describe, expect, test, vi } from 'vitest';
import { CallGate } from '../helpers/call-gate.ts';
import { mail } from '../helpers/mails.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import type { World, WorldOptions } from '../helpers/world.ts';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();

async function watched(options?: WorldOptions): Promise<World> {
  const world = await createWorld(options);
  await world.ingest();
  return world;
}

describe('the time of an invocation', () => {
  test('ends with a backlog in a state from which the next goes on', async () => {
    // Sixty messages a minute: the quota is what time is spent on.
    const world = await createWorld({ env: { GMAIL_QUOTA_UNITS_PER_MINUTE: '1200' } });
    const ids = Array.from({ length: 200 }, (_, n) => world.gmail.deliver(mail(`${n}`)).id).sort();
    const outcomes: string[] = [];
    while (outcomes.at(-1) !== 'completed' && outcomes.length < 10) {
      outcomes.push((await world.ingest({ budgetMs: 50_000 })).outcome);
      expect(await world.rows('select 1 from email_ledger where claim_token is not null')).toEqual([]);
      await world.pass(20);
    }
    expect(outcomes.slice(0, 2)).toEqual(['out_of_time', 'out_of_time']);
    expect(outcomes.at(-1)).toBe('completed');
    expect(await storedIds(world)).toEqual(ids);
    expect(await world.rows('select 1 from email_ledger where attempt_count > 0')).toEqual([]);
  });

  test('that is over before it begins costs nothing', async () => {
    const world = await watched();
    const { id } = world.gmail.deliver(mail('Order'));
    expect(await world.ingest({ budgetMs: 3_000 })).toMatchObject({ outcome: 'out_of_time', error: null });
    expect(await ledger(world)).toEqual({});
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
  });

  test('releases what is in flight when it ends', async () => {
    const gate = new CallGate();
    const world = await watched({ gmail: { timers: gate.timers } });
    const { id } = world.gmail.deliver(mail('Order'));
    gate.hold(world.gmail, 'messages.get');
    expect(await world.ingest({ budgetMs: 3_000 + 1_900 })).toMatchObject({ outcome: 'out_of_time' });
    expect(await world.rows('select attempt_count, claim_token, last_attempt_at from email_ledger')).toEqual([
      { attempt_count: 0, claim_token: null, last_attempt_at: null },
    ]);
    gate.release();
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
  });
});

describe('live mail', () => {
  test('goes ahead of a backlog that was there before it', async () => {
    const world = await createWorld({ env: { GMAIL_QUOTA_UNITS_PER_MINUTE: '1200' } });
    for (let n = 0; n < 150; n += 1) world.gmail.deliver(mail(`${n}`), { internalDate: new Date(n * 1_000) });
    await world.ingest({ budgetMs: 50_000 });
    const { id } = world.gmail.deliver(mail('Live'));
    await world.pass(60);
    world.gmail.resetCounters();
    await world.ingest({ budgetMs: 50_000 });
    expect(world.gmail.callLog.calls.find((call) => call.method === 'messages.get')?.messageId).toBe(id);
  });
});

describe('the quota', () => {
  /** Two instances in turn until 400 messages are stored. */
  async function fetch400(world: World): Promise<void> {
    const ids = Array.from({ length: 400 }, (_, n) => world.gmail.deliver(mail(`${n}`)).id);
    const instances = [world, world.instance()];
    for (let n = 0; n < 12; n += 1) {
      await instances[n % 2]?.ingest({ budgetMs: 50_000 });
      await world.pass(10);
    }
    expect(await storedIds(world)).toEqual(expect.arrayContaining(ids));
  }

  test('of a Gmail whose budget refills is never exceeded, and no call is limited', async () => {
    const world = await createWorld({ gmail: { quotaUnitsPerMinute: 6_000, quotaKind: 'refill' } });
    await fetch400(world);
    expect(world.gmail.quota.refusedForUnits).toBe(0);
    // The second hundred did not wait for the end of the minute.
    expect(mostInAMinute(world)).toBeGreaterThan(7_500);
  });

  test('of a Gmail that counts its minutes whole costs some limited calls and no message', async () => {
    const world = await createWorld({ gmail: { quotaUnitsPerMinute: 6_000, quotaKind: 'window' } });
    await fetch400(world);
    expect(world.gmail.quota.refusedForUnits).toBeGreaterThan(0);
    expect(world.gmail.quota.refusedForUnits).toBeLessThanOrEqual(40);
    expect(
      await world.rows("select 1 from email_ledger where state <> 'stored' or attempt_count > 0"),
    ).toEqual([]);
  });

  test('is not paused when only the calls in flight were too many', async () => {
    const gate = new CallGate();
    // The first call stays in flight until another was limited.
    const world = await watched({ gmail: { maxConcurrent: 1, timers: gate.timers } });
    gate.hold(world.gmail, 'messages.get');
    const ids = Array.from({ length: 10 }, (_, n) => world.gmail.deliver(mail(`${n}`)).id).sort();
    const run = world.ingest();
    await vi.waitFor(() => expect(world.gmail.quota.refusedForConcurrency).toBeGreaterThan(0));
    world.gmail.quota.maxConcurrent = null;
    gate.release();
    expect((await run).counts.rateLimited).toBeGreaterThan(0);
    await world.ingest();
    expect(await storedIds(world)).toEqual(ids);
    expect(await world.rows('select 1 from mailbox_quota where pause_seconds > 0')).toEqual([]);
  });

  test('that is spent is waited for, if there is time', async () => {
    const world = await watched({
      env: { GMAIL_QUOTA_UNITS_PER_MINUTE: '100' },
      gmail: { quotaUnitsPerMinute: 100, quotaKind: 'refill' },
    });
    for (let n = 0; n < 6; n += 1) world.gmail.deliver(mail(`${n}`));
    expect(await world.ingest({ budgetMs: 200_000 })).toMatchObject({
      outcome: 'completed',
      counts: { stored: 6, rateLimited: 0 },
    });
    expect(Math.max(...world.sleeps)).toBeGreaterThan(10_000);
  });
});

/** Units of the fullest sixty seconds, by Gmail's clock. */
function mostInAMinute(world: World): number {
  const { calls } = world.gmail.callLog;
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
