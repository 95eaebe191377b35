import { describe, expect, test } from 'vitest';
import { Deadline } from '../../shared/deadline.ts';
import { Pacer } from '../../shared/gmail/pacer.ts';
import { ingestMailbox } from '../../shared/ingest/ingest-mailbox.ts';
import { LargeGate } from '../../shared/ingest/large-gate.ts';
import { createSystem } from '../../shared/ingest/system.ts';
import { order } from '../helpers/mails.ts';
import { storedBytes } from '../helpers/stored.ts';
import type { World } from '../helpers/world.ts';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();

async function watched(): Promise<World> {
  const world = await createWorld();
  await world.ingest();
  return world;
}

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
