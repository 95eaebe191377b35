/** `start` and `stop` at the same time, by two operators or one who is quick: what counts is how they end. */
import { describe, expect, it } from 'vitest';
import type { World } from '../helpers/world.ts';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();
const TOPIC = 'projects/emulated-project/topics/gmail';

async function watched(): Promise<World> {
  const world = await createWorld({ env: { GMAIL_PUBSUB_TOPIC: TOPIC } });
  expect((await world.call('start')).status).toBe(200);
  return world;
}

async function state(world: World) {
  const [row] = await world.rows<{ is_running: boolean; topic: string | null }>(
    'select is_running, topic from email_monitor_status, mailbox_watches',
  );
  return { ...row, publishes: world.gmail.mailbox.watch !== null };
}

describe('start and stop at once', () => {
  it('leave Gmail publishing when the start came last and the call of the stop to Gmail was late', async () => {
    const world = await watched();
    world.gmail.faults.add({ kind: 'delay', delayMs: 500, method: 'stop', times: 1 });
    const stopping = world.call('stop');
    await expect.poll(async () => (await state(world)).is_running).toBe(false);
    await expect.poll(() => world.gmail.faults.list().length).toBe(0);
    expect((await world.call('start')).status).toBe(200);
    expect((await stopping).status).toBe(200);
    expect(await state(world)).toEqual({ is_running: true, topic: TOPIC, publishes: true });
  });

  it('leave Gmail silent when the stop came last and the call of the start to Gmail was late', async () => {
    const world = await watched();
    world.gmail.faults.add({ kind: 'delay', delayMs: 500, method: 'watch', times: 1 });
    const starting = world.call('start');
    await expect.poll(() => world.gmail.faults.list().length).toBe(0);
    expect((await world.call('stop')).status).toBe(200);
    expect((await starting).status).toBe(200);
    expect(await state(world)).toEqual({ is_running: false, topic: null, publishes: false });
  });
});
