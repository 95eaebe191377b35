/** The emulated work topic of the fault suite and the benchmarks, with Google's own client. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { createPubSub } from '../../shared/google/pubsub.ts';
import { WORK_TOPIC, WorkTopic, type WorkTopicOptions } from '../helpers/work-topic.ts';

async function openTopic(receive: (data: string, attempt: number) => number, more: object = {}) {
  const options: WorkTopicOptions = {
    receive: async (body) => {
      const { message, deliveryAttempt } = body as { message: { data: string }; deliveryAttempt: number };
      return receive(Buffer.from(message.data, 'base64').toString(), deliveryAttempt);
    },
    firstBackoffMs: 0,
    ...more,
  };
  const topic = await WorkTopic.open(options);
  onTestFinished(async () => await topic.close());
  const client = await createPubSub('emulated-project', topic.env['PUBSUB_EMULATOR_HOST'] ?? '');
  return { topic, publish: async (data: string) => await publish(client, data) };
}

async function publish(client: Awaited<ReturnType<typeof createPubSub>>, data: string): Promise<string> {
  return await client
    .topic(WORK_TOPIC, { batching: { maxMilliseconds: 0 } })
    .publishMessage({ data: Buffer.from(data) });
}

test('the emulated work topic delivers what the client of Google publishes, once, when it is acknowledged', async () => {
  const seen: string[] = [];
  const { publish, topic } = await openTopic((data) => {
    seen.push(data);
    return 204;
  });
  await publish('{"mailbox":"a@example.com"}');
  await vi.waitFor(() => expect(topic.openCount).toBe(0), { timeout: 20_000 });
  expect(seen).toEqual(['{"mailbox":"a@example.com"}']);
});

test('the emulated work topic delivers again after an error, and gives up after the last attempt', async () => {
  const attempts: string[] = [];
  const { publish, topic } = await openTopic(
    (data, attempt) => {
      attempts.push(`${data} ${attempt}`);
      return data === 'recovers' && attempt === 2 ? 204 : 503;
    },
    { maxAttempts: 3 },
  );
  await publish('recovers');
  await vi.waitFor(() => expect(topic.openCount).toBe(0), { timeout: 20_000 });
  await publish('never');
  await vi.waitFor(() => expect(topic.openCount).toBe(0), { timeout: 20_000 });
  expect(attempts).toEqual(['recovers 1', 'recovers 2', 'never 1', 'never 2', 'never 3']);
  expect(topic.counts).toMatchObject({ delivered: 1, redelivered: 3, abandoned: 1 });
});

test('the emulated work topic can deliver a message twice', async () => {
  const seen: string[] = [];
  const { publish, topic } = await openTopic((data) => {
    seen.push(data);
    return 204;
  });
  topic.faults.duplicateProbability = 1;
  await publish('twice');
  await vi.waitFor(() => expect(topic.openCount).toBe(0), { timeout: 20_000 });
  expect(seen).toEqual(['twice', 'twice']);
});
