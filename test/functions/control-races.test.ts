/** Concurrent `start` and `stop`, by two operators or by one: only the final state counts. */
import { describe, expect, it } from 'vitest';
import type { TestSystem } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();
const TOPIC = 'projects/emulated-project/topics/gmail';

async function watched(): Promise<TestSystem> {
  const system = await createTestSystem({ env: { GMAIL_PUBSUB_TOPIC: TOPIC } });
  expect((await system.call('start')).status).toBe(200);
  return system;
}

async function state(system: TestSystem) {
  const [row] = await system.rows<{ is_running: boolean; topic: string | null }>(
    'select is_running, topic from email_monitor_status, mailbox_watches',
  );
  return { ...row, publishes: system.gmail.mailbox.watch !== null };
}

describe('concurrent start and stop', () => {
  it('start and stop leave Gmail publishing when the start came last, although the Gmail call of the stop was late', async () => {
    const system = await watched();
    system.gmail.faults.add({ kind: 'delay', delayMs: 500, method: 'stop', times: 1 });
    const stopping = system.call('stop');
    await expect.poll(async () => (await state(system)).is_running).toBe(false);
    await expect.poll(() => system.gmail.faults.list().length).toBe(0);
    expect((await system.call('start')).status).toBe(200);
    expect((await stopping).status).toBe(200);
    expect(await state(system)).toEqual({ is_running: true, topic: TOPIC, publishes: true });
  });

  it('start and stop leave Gmail not publishing when the stop came last, although the Gmail call of the start was late', async () => {
    const system = await watched();
    system.gmail.faults.add({ kind: 'delay', delayMs: 500, method: 'watch', times: 1 });
    const starting = system.call('start');
    await expect.poll(() => system.gmail.faults.list().length).toBe(0);
    expect((await system.call('stop')).status).toBe(200);
    expect((await starting).status).toBe(200);
    expect(await state(system)).toEqual({ is_running: false, topic: null, publishes: false });
  });
});
