/** `poll` publishes due mailboxes on a topic of Google's own Pub/Sub emulator. Skipped when the emulator is not installed. */
import { type Message, PubSub } from '@google-cloud/pubsub';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ManyMailboxes, useManyMailboxes } from '../helpers/many-mailboxes.ts';
import { mail } from '../helpers/test-emails.ts';
import { findPubSubEmulator, type PubSubEmulator, startPubSubEmulator } from './pubsub-emulator.ts';

const WAIT_OPTIONS = { timeout: 20_000, interval: 20 };
const program = findPubSubEmulator();
const title = `due mailboxes on Google's Pub/Sub emulator${program === null ? ' (skipped: it is not installed)' : ''}`;
const ANN = 'ann@example.com';
const BOB = 'bob@example.com';
const FIRST = 'orders@example.com';
const createSystem = useManyMailboxes();

describe.skipIf(program === null)(title, { timeout: 60_000 }, () => {
  let emulator: PubSubEmulator;
  let pubsub: PubSub;
  let received: Message[] = [];
  let topicCount = 0;
  let topic: string;

  beforeAll(async () => {
    emulator = await startPubSubEmulator(program ?? '');
    vi.stubEnv('PUBSUB_EMULATOR_HOST', emulator.host);
    vi.stubEnv('METADATA_SERVER_DETECTION', 'none');
    pubsub = new PubSub({ projectId: 'demo' });
  }, 60_000);
  afterAll(async () => {
    await pubsub?.close();
    await emulator?.kill();
  });

  beforeEach(async () => {
    topicCount += 1;
    const [created] = await pubsub.createTopic(`work-${topicCount}`);
    const [subscription] = await created.createSubscription(`worker-${topicCount}`);
    topic = created.name;
    const messages: Message[] = [];
    received = messages;
    subscription.on('message', (message) => {
      messages.push(message);
      message.ack();
    });
    return async () => await subscription.close();
  });

  async function startSystem(): Promise<ManyMailboxes> {
    const system = await createSystem({
      env: { WORK_PUBSUB_TOPIC: topic, PUBSUB_EMULATOR_HOST: emulator.host },
    });
    await system.turnOn();
    return system;
  }

  /** Delivers the messages that were received so far to `ingestMailbox`. */
  async function deliver(system: ManyMailboxes, count: number): Promise<string[]> {
    await vi.waitFor(() => expect(received).toHaveLength(count), WAIT_OPTIONS);
    const messages = received.splice(0);
    for (const { attributes, data, publishTime } of messages) {
      const message = { data: data.toString('base64'), attributes, publishTime: publishTime.toISOString() };
      expect((await system.call('ingestMailbox', { body: { message } })).status).toBe(204);
    }
    return messages.map(({ attributes }) => attributes['mailbox'] ?? '').sort();
  }

  it('publishes each due mailbox, and the runs of ingestMailbox store the mail of each', async () => {
    const system = await startSystem();
    const ann = await system.add(ANN);
    const bob = await system.add(BOB);
    ann.gmail.deliver(mail('Ann'));
    bob.gmail.deliver(mail('Bob'));
    system.gmail.deliver(mail('First'));
    // No message can name the first mailbox before Gmail has named it.
    expect((await system.call('poll')).json).toMatchObject({
      outcome: 'dispatched',
      dispatched: 2,
      new_emails: 1,
    });
    expect(received.every(({ orderingKey }) => !orderingKey)).toBe(true);
    expect(await deliver(system, 2)).toEqual([ANN, BOB]);
    expect(await system.storedOf(ANN)).toEqual(['Ann']);
    expect(await system.storedOf(BOB)).toEqual(['Bob']);
    expect(await system.storedOf(FIRST)).toEqual(['First']);

    bob.gmail.deliver(mail('Bob 2'));
    await system.pause(ANN);
    expect((await system.call('poll')).json).toMatchObject({
      outcome: 'dispatched',
      dispatched: 2,
      new_emails: 0,
    });
    expect(await deliver(system, 2)).toEqual([BOB, FIRST]);
    expect(await system.storedOf(BOB)).toEqual(['Bob', 'Bob 2']);
  });

  it('publishes nothing while the monitor is stopped, unless an operator polls', async () => {
    const system = await startSystem();
    const ann = await system.add(ANN);
    ann.gmail.deliver(mail('Ann'));
    await system.rows('update email_monitor_status set is_running = false');
    expect((await system.call('poll')).json).toMatchObject({ outcome: 'stopped' });
    expect((await system.call('pollNow')).json).toMatchObject({ outcome: 'dispatched', dispatched: 1 });
    expect(await deliver(system, 1)).toEqual([ANN]);
    expect(await system.storedOf(ANN)).toEqual(['Ann']);
  });

  it('one mailbox runs in place, without a message', async () => {
    const system = await startSystem();
    system.gmail.deliver(mail('First'));
    expect((await system.call('poll')).json).toMatchObject({ outcome: 'completed', new_emails: 1 });
    expect(received).toEqual([]);
  });

  it('returns an error when the topic does not exist, and the next poll publishes', async () => {
    const system = await startSystem();
    await system.add(ANN);
    const wrong = system.instance({ WORK_PUBSUB_TOPIC: 'projects/demo/topics/none' });
    expect((await wrong.call('poll')).json).toMatchObject({ status: 502, code: 'work_topic_denied' });
    expect((await system.call('poll')).json).toMatchObject({ dispatched: 1 });
  });
});
