import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Deadline } from '../../shared/deadline.ts';
import { Purse, type ReturnUnits } from '../../shared/ingest/purse.ts';

describe('a purse', () => {
  const clock = { ms: 0 };
  const deadline = Deadline.after(1e9, () => clock.ms);

  /** With endless units, and nobody to whom it matters what is given back. */
  function purseWith(options: Partial<ConstructorParameters<typeof Purse>[0]>): Purse {
    return new Purse({
      deadline,
      clock: () => clock.ms,
      sleep: async (ms) => {
        clock.ms += ms;
      },
      noteRefusal: async () => true,
      giveBack: async () => undefined,
      take: async (_least, most) => ({ units: most, waitMs: 0, second: '0' }),
      ...options,
    });
  }

  function intoList(returned: number[]): ReturnUnits {
    return async ({ units }) => {
      returned.push(units);
    };
  }

  function purse(grants: number[], asked: [number, number][] = [], returned: number[] = []): Purse {
    return purseWith({
      giveBack: intoList(returned),
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
    for (let n = 0; n < 40; n += 1) await one.pay(20);
    expect(asked.length).toBeLessThan(10);
    expect(Math.max(...asked.map(([, most]) => most))).toBe(320);
    expect(one.spentUnits).toBe(802);
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
    expect(asked.at(-1)).toEqual([20, 50]);
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

  test('keeps what is in hand when a refusal changes no rule', async () => {
    const returned: number[] = [];
    const one = purseWith({
      firstHandful: 100,
      noteRefusal: async () => false,
      giveBack: intoList(returned),
    });
    await one.pay(20);
    one.refused();
    await one.pay(20);
    expect(returned).toEqual([]);
  });

  test('says what Gmail refused at the end at the latest, and once', async () => {
    const notes: string[] = [];
    const one = purseWith({
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

  describe('in a backlog', () => {
    interface Taking {
      answer: (units: number) => void;
      fail: (error: Error) => void;
    }

    /** One that has grown to its largest handful, 40 units in hand; from then on the test answers what it asks. */
    async function backlog(): Promise<{ one: Purse; takings: Taking[]; returned: unknown[] }> {
      const takings: Taking[] = [];
      const returned: unknown[] = [];
      let isByHand = false;
      const one = purseWith({
        giveBack: async (unspent) => {
          returned.push(unspent);
        },
        firstHandful: 320,
        take: async (_least, most) => {
          if (!isByHand) return { units: most, waitMs: 0, second: '1' };
          return await new Promise((resolve, reject) => {
            takings.push({
              answer: (units) => resolve({ units, waitMs: 1_000, second: '2' }),
              fail: reject,
            });
          });
        },
      });
      for (let n = 0; n < 13; n += 1) await one.pay(20);
      isByHand = true;
      await one.pay(20);
      return { one, takings, returned };
    }

    test('asks for the next handful once, while it spends the last', async () => {
      const { one, takings } = await backlog();
      for (let n = 0; n < 2; n += 1) await one.pay(20);
      expect(takings).toHaveLength(1);
      let isPaid = false;
      const paying = one.pay(20).then(() => {
        isPaid = true;
      });
      await setImmediate();
      expect(isPaid).toBe(false);
      takings[0]?.answer(320);
      await paying;
      for (let n = 0; n < 13; n += 1) await one.pay(20);
      expect(takings).toHaveLength(2);
    });

    test('asks again in turn when there was nothing ahead', async () => {
      const { one, takings } = await backlog();
      takings[0]?.answer(0);
      for (let n = 0; n < 2; n += 1) await one.pay(20);
      const paying = one.pay(20);
      await setImmediate();
      takings.at(-1)?.answer(20);
      await paying;
      expect(one.spentUnits).toBe(17 * 20);
    });

    test('gives back what it asked for ahead too when that has become old, and asks anew', async () => {
      const { one, takings, returned } = await backlog();
      takings[0]?.answer(320);
      for (let n = 0; n < 2; n += 1) await one.pay(20);
      clock.ms += 301;
      const paying = one.pay(20);
      await setImmediate();
      expect(returned).toEqual([{ second: '2', units: 320 }]);
      takings[1]?.answer(20);
      await paying;
    });

    test('gives back what it asked for ahead too, each where it is booked', async () => {
      const { one, takings, returned } = await backlog();
      const emptied = one.empty();
      takings[0]?.answer(300);
      await emptied;
      expect(returned).toEqual([
        { second: '1', units: 40 },
        { second: '2', units: 300 },
      ]);
    });

    test('asks again in turn when the asking ahead failed', async () => {
      const { one, takings } = await backlog();
      takings[0]?.fail(new Error('the database is away'));
      await setImmediate();
      for (let n = 0; n < 2; n += 1) await one.pay(20);
      const paying = one.pay(20);
      await setImmediate();
      takings[1]?.fail(new Error('the database is still away'));
      await expect(paying).rejects.toThrow('still away');
      await one.empty();
    });

    test('ends well after an asking ahead that failed', async () => {
      const { one, takings, returned } = await backlog();
      const emptied = one.empty();
      takings[0]?.fail(new Error('the database is away'));
      await emptied;
      expect(returned).toEqual([{ second: '1', units: 40 }]);
    });

    test('gives back what it asked for ahead when Gmail refuses, before it pays on', async () => {
      const { one, takings, returned } = await backlog();
      one.refused();
      const paying = one.pay(20);
      takings[0]?.answer(320);
      await setImmediate();
      expect(returned).toEqual([
        { second: '1', units: 40 },
        { second: '2', units: 320 },
      ]);
      takings[1]?.answer(20);
      await paying;
    });

    test('spends the oldest first, across two handfuls', async () => {
      const { one, takings, returned } = await backlog();
      await one.pay(30);
      const paying = one.pay(20);
      takings[0]?.answer(320);
      await paying;
      await one.empty();
      expect(returned).toEqual([{ second: '2', units: 310 }]);
    });
  });

  test('counts the age of units from their asking, not from their coming', async () => {
    const returned: number[] = [];
    const one = purseWith({
      giveBack: intoList(returned),
      take: async (least) => {
        clock.ms += 301;
        return { units: least + 80, waitMs: 0, second: '0' };
      },
    });
    await one.pay(20);
    await one.pay(20);
    expect(returned).toEqual([80]);
  });

  test('does not spend what has become old while it waited for the rest', async () => {
    const returned: number[] = [];
    const one = purse([33, 0, 20], [], returned);
    await one.pay(20);
    await one.pay(20);
    expect(returned).toEqual([13]);
  });

  test('goes on paying after one payment could not be had in time', async () => {
    const short = Deadline.after(500, () => clock.ms);
    const grants = [0, 20];
    const returned: number[] = [];
    const one = purseWith({
      deadline: short,
      giveBack: intoList(returned),
      noteRefusal: async () => false,
      take: async () => ({ units: grants.shift() ?? 0, waitMs: 1_000, second: '0' }),
    });
    await expect(one.pay(20)).rejects.toMatchObject({ code: 'out_of_time' });
    await one.pay(20);
    await one.empty();
    expect(returned).toEqual([]);
  });
});
