import { describe, expect, test } from 'vitest';
import { type Lane, Lanes } from '../../shared/ingest/lanes.ts';

/** Lets everything run that can. */
const settled = async () => await new Promise(setImmediate);

class Bench {
  pace: number;
  readonly lanes: Lanes;
  readonly inside: number[] = [];
  readonly leaves = new Map<number, (hasAnswer: boolean) => void>();
  readonly entering: Lane[] = [];

  constructor(pace: number) {
    this.pace = pace;
    this.lanes = new Lanes(() => this.pace);
  }

  async come(count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) {
      const name = this.entering.length;
      const lane = this.lanes.lane();
      this.entering.push(lane);
      void this.again(name);
    }
    await settled();
  }

  async again(name: number): Promise<void> {
    const leave = await this.entering[name]?.enter();
    this.inside.push(name);
    if (leave !== undefined) this.leaves.set(name, leave);
  }

  async answer(name: number, hasAnswer = true): Promise<void> {
    this.leaves.get(name)?.(hasAnswer);
    await settled();
  }

  async end(name: number): Promise<void> {
    this.entering[name]?.leave();
    await settled();
  }
}

describe('the lanes', () => {
  test('let in as many as the pace allows, in the order of coming', async () => {
    const bench = new Bench(2);
    await bench.come(4);
    expect(bench.inside).toEqual([0, 1]);
    expect(bench.lanes.enteredCount).toBe(2);
    await bench.answer(1);
    expect(bench.inside).toEqual([0, 1, 2]);
  });

  test('keep what is called for, or fetched and not stored, to twice the pace', async () => {
    const bench = new Bench(2);
    await bench.come(6);
    for (const name of [0, 1, 2]) await bench.answer(name);
    // Three fetched, one more called for: four in memory.
    expect(bench.inside).toEqual([0, 1, 2, 3]);
    await bench.end(0);
    expect(bench.inside).toEqual([0, 1, 2, 3, 4]);
  });

  test('do not count a call without an answer as fetched, and let it in again for its next', async () => {
    const bench = new Bench(1);
    await bench.come(2);
    await bench.answer(0, false);
    expect(bench.inside).toEqual([0, 1]);
    expect(bench.lanes.enteredCount).toBe(1);
    void bench.again(0);
    await bench.answer(1);
    expect(bench.inside).toEqual([0, 1, 0]);
    await bench.end(1);
    await bench.answer(0);
    await bench.end(0);
    expect(bench.lanes.enteredCount).toBe(0);
  });

  test('follow the pace, down and up', async () => {
    const bench = new Bench(3);
    await bench.come(6);
    bench.pace = 1;
    await bench.answer(0, false);
    await bench.answer(1, false);
    expect(bench.inside).toEqual([0, 1, 2]);
    bench.pace = 3;
    await bench.answer(2, false);
    expect(bench.inside).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('say when something has moved', async () => {
    const bench = new Bench(1);
    await bench.come(1);
    let moves = 0;
    void bench.lanes.moved().then(() => {
      moves += 1;
    });
    await settled();
    expect(moves).toBe(0);
    await bench.end(0);
    expect(moves).toBe(1);
  });
});
