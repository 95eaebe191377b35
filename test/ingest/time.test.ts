import { describe, expect, test } from 'vitest';
import { Deadline } from '../../shared/deadline.ts';
import { Pacer } from '../../shared/gmail/pacer.ts';
import { ingestMailbox } from '../../shared/ingest/ingest-mailbox.ts';
import { LargeGate } from '../../shared/ingest/large-gate.ts';
import { Purse } from '../../shared/ingest/purse.ts';
import { createSystem } from '../../shared/ingest/system.ts';
import { CallGate } from '../helpers/call-gate.ts';
import { mail, order } from '../helpers/mails.ts';
import { ledger, storedBytes, storedIds } from '../helpers/stored.ts';
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
      expect(await world.rows('select 1 from email_ledger where attempt_open')).toEqual([]);
      await world.pass(20);
    }
    expect(outcomes.slice(0, 2)).toEqual(['out_of_time', 'out_of_time']);
    expect(outcomes.at(-1)).toBe('completed');
    expect(await storedIds(world)).toEqual(ids);
    expect(await world.rows('select 1 from email_ledger where attempt_count <> 1')).toEqual([]);
  });

  test('that is over before it begins costs nothing', async () => {
    const world = await watched();
    const { id } = world.gmail.deliver(mail('Order'));
    expect(await world.ingest({ budgetMs: 3_000 })).toMatchObject({ outcome: 'out_of_time', error: null });
    expect(await ledger(world)).toEqual({});
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
  });

  test('hands back what is in flight when it ends', async () => {
    const gate = new CallGate();
    const world = await watched({ gmail: { timers: gate.timers } });
    const { id } = world.gmail.deliver(mail('Order'));
    gate.hold(world.gmail, 'messages.get');
    expect(await world.ingest({ budgetMs: 3_000 + 1_900 })).toMatchObject({ outcome: 'out_of_time' });
    expect(await world.rows('select attempt_count, attempt_open from email_ledger')).toEqual([
      { attempt_count: 0, attempt_open: false },
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
  const STRICT = "update mailboxes set quota_strict_until = now() + interval '7 days'";

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

  test('of a Gmail whose budget refills is never exceeded, and nothing is refused', async () => {
    const world = await createWorld({ gmail: { quotaUnitsPerMinute: 6_000, quotaKind: 'refill' } });
    await fetch400(world);
    expect(world.gmail.quota.refusedForUnits).toBe(0);
    // The second hundred did not wait for the end of the minute.
    expect(mostInAMinute(world)).toBeGreaterThan(7_500);
    expect(await world.rows('select 1 from mailboxes where quota_strict_until is not null')).toEqual([]);
  });

  test('of a Gmail that counts its minutes whole is kept to after a first refusal', async () => {
    const world = await createWorld({ gmail: { quotaUnitsPerMinute: 6_000, quotaKind: 'window' } });
    await fetch400(world);
    const { refusedForUnits } = world.gmail.quota;
    expect(refusedForUnits).toBeGreaterThan(0);
    // Those in flight, and once more after their wait at the most.
    expect(refusedForUnits).toBeLessThanOrEqual(32);
    expect(
      await world.rows("select 1 from email_ledger where state <> 'stored' or attempt_count > 1"),
    ).toEqual([]);

    await fetch400(world);
    expect(world.gmail.quota.refusedForUnits).toBe(refusedForUnits);
    expect(mostInAMinute(world)).toBeLessThanOrEqual(6_000);
    expect(mostInAMinute(world)).toBeGreaterThan(5_500);
  });

  test('of a Gmail whose budget refills goes on refilling when only the calls in flight were too many', async () => {
    const world = await createWorld({
      gmail: { quotaUnitsPerMinute: 6_000, quotaKind: 'refill', maxConcurrent: 3, latencyMs: 1 },
    });
    await fetch400(world);
    expect(world.gmail.quota.refusedForConcurrency).toBeGreaterThan(0);
    expect(mostInAMinute(world)).toBeGreaterThan(6_100);
    expect(await world.rows('select 1 from mailboxes where quota_strict_until is not null')).toEqual([]);
  });

  test.each([
    ['a budget that refills', 'select 1', 10_000],
    ['a minute that counts whole', STRICT, 50_000],
  ])('that is spent is waited for, if there is time: %s', async (_, rule, longestMs) => {
    const world = await watched({
      env: { GMAIL_QUOTA_UNITS_PER_MINUTE: '100' },
      gmail: { quotaUnitsPerMinute: 100, quotaKind: longestMs > 10_000 ? 'window' : 'refill' },
    });
    await world.rows(rule);
    for (let n = 0; n < 6; n += 1) world.gmail.deliver(mail(`${n}`));
    expect(await world.ingest({ budgetMs: 200_000 })).toMatchObject({
      outcome: 'completed',
      counts: { stored: 6, refused: 0 },
    });
    expect(Math.max(...world.sleeps)).toBeGreaterThan(longestMs);
  });
});

describe('a purse', () => {
  const clock = { ms: 0 };
  const deadline = Deadline.after(1e9, () => clock.ms);

  function purse(grants: number[], asked: [number, number][] = [], returned: number[] = []): Purse {
    return new Purse({
      giveBack: async ({ units }) => {
        returned.push(units);
      },
      noteRefusal: async () => true,
      deadline,
      clock: () => clock.ms,
      sleep: async (ms) => {
        clock.ms += ms;
      },
      take: async (least, most) => {
        asked.push([least, most]);
        const units = grants.length > 0 ? (grants.shift() ?? 0) : most;
        return { units, waitMs: units === 0 ? 1_000 : 0, second: '0' };
      },
    });
  }

  test('takes what a quiet poll spends, and handfuls for a backlog', async () => {
    const asked: [number, number][] = [];
    const one = purse([], asked);
    await one.pay(2);
    expect(asked).toEqual([[2, 2]]);
    for (let n = 0; n < 20; n += 1) await one.pay(20);
    expect(asked.length).toBeLessThan(10);
    expect(Math.max(...asked.map(([, most]) => most))).toBe(160);
    expect(one.spentUnits).toBe(402);
  });

  test('gives back units that lay in hand beyond the time that the window allows for, and takes fewer', async () => {
    const asked: [number, number][] = [];
    const returned: number[] = [];
    const one = purse([100], asked, returned);
    await one.pay(20);
    clock.ms += 250;
    await one.pay(20);
    expect(asked).toHaveLength(1);
    expect(returned).toEqual([]);
    clock.ms += 100;
    await one.pay(20);
    expect(returned).toEqual([60]);
    expect(asked.at(-1)).toEqual([20, 40]);
  });

  test('gives back what is in hand when Gmail refuses, before it pays on', async () => {
    const returned: number[] = [];
    const one = purse([100, 20], [], returned);
    await one.pay(20);
    one.refused();
    one.refused();
    await one.pay(20);
    expect(returned).toEqual([80]);
  });

  test('says what Gmail refused at the end at the latest, and once', async () => {
    const notes: string[] = [];
    const one = new Purse({
      deadline,
      clock: () => clock.ms,
      sleep: async () => undefined,
      giveBack: async () => undefined,
      noteRefusal: async () => notes.push('refused') > 0,
      take: async (least) => ({ units: least, waitMs: 0, second: '0' }),
    });
    await one.pay(20);
    one.refused();
    await one.empty();
    one.refused();
    await one.empty();
    expect(notes).toEqual(['refused']);
  });

  test('pays in the order of asking, one after the other', async () => {
    const one = purse([20, 0, 0, 20, 20]);
    const order_: number[] = [];
    await Promise.all([1, 2, 3].map(async (n) => await one.pay(20).then(() => order_.push(n))));
    expect(order_).toEqual([1, 2, 3]);
  });

  test('goes on paying after one payment could not be had in time', async () => {
    const short = Deadline.after(500, () => clock.ms);
    const grants = [0, 20];
    const returned: number[] = [];
    const one = new Purse({
      deadline: short,
      giveBack: async ({ units }) => {
        returned.push(units);
      },
      noteRefusal: async () => false,
      clock: () => clock.ms,
      sleep: async () => undefined,
      take: async () => ({ units: grants.shift() ?? 0, waitMs: 1_000, second: '0' }),
    });
    await expect(one.pay(20)).rejects.toMatchObject({ code: 'out_of_time' });
    await one.pay(20);
    await one.empty();
    expect(returned).toEqual([]);
  });
});

describe('the gate for large messages', () => {
  test('lets one in at a time, in the order of asking', async () => {
    const gate = new LargeGate();
    const passes = [gate.pass(), gate.pass(), gate.pass()];
    const inside: number[] = [];
    const entered = passes.map(async (pass, n) => await pass.enter().then(() => inside.push(n)));
    await entered[0];
    await new Promise(setImmediate);
    expect(inside).toEqual([0]);
    passes[0]?.leave();
    await entered[1];
    expect(inside).toEqual([0, 1]);
    passes[1]?.leave();
    await entered[2];
    expect(inside).toEqual([0, 1, 2]);
  });

  test('is not held up by one that gives up while it waits, or never enters', async () => {
    const gate = new LargeGate();
    const [first, second, third] = [gate.pass(), gate.pass(), gate.pass()];
    gate.pass().leave();
    await first.enter();
    void second.enter();
    second.leave();
    const entered = third.enter();
    first.leave();
    await entered;
  });

  test('is entered once, however often a message asks', async () => {
    const gate = new LargeGate();
    const pass = gate.pass();
    await pass.enter();
    await pass.enter();
    pass.leave();
    await gate.pass().enter();
  });

  test.each([1, 2, 3])('and %i places in flight never wait for each other', async (pace) => {
    const world = await watched();
    const ids = [1, 2, 3, 4].map((n) => world.gmail.deliver(order(n, 1_200_000)).id);
    // Inside the gate, and without a place until its next call.
    world.gmail.faults.add({ kind: 'truncate', messageId: ids[0] ?? '', times: 2 });
    const pacer = new Pacer({ start: pace, most: pace });
    const system = createSystem({ ...world.context, seams: { ...world.context.seams, pacer } });
    const deadline = Deadline.after(60_000, system.clock);
    expect(await ingestMailbox(system, { trigger: 'manual', deadline })).toMatchObject({
      outcome: 'completed',
      counts: { stored: 4 },
    });
  });

  test('passes large and small messages together, each with its bytes, also when calls fail in between', async () => {
    const world = await watched();
    world.gmail.faults.add({ kind: 'truncate', method: 'messages.get', times: 2, skip: 1 });
    world.gmail.faults.add({ kind: 'reset', method: 'messages.get', times: 2, skip: 3 });
    const delivered = new Map(
      [2_000_000, 10, 1_500_000, 3_000_000, 20, 1_200_000].map((size, n) => {
        const raw = order(n, size);
        return [world.gmail.deliver(raw).id, raw] as const;
      }),
    );
    await world.ingest();
    await world.pass(3_600);
    await world.ingest();
    const stored = await storedBytes(world);
    expect([...stored.keys()].sort()).toEqual([...delivered.keys()].sort());
    for (const [id, raw] of delivered) expect(stored.get(id)?.equals(raw)).toBe(true);
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
