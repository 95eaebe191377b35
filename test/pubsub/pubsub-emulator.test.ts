/**
 * The way of a notification through Google's own Pub/Sub emulator to the built function: what our own emulated pushes
 * only claim, redelivery and dead letter above all. Left out where the emulator is not installed, and says so.
 */
import { type Message, PubSub, type Subscription, type Topic } from '@google-cloud/pubsub';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { buildDist, type Dist, type Served, serve } from '../build/dist.ts';
import { order } from '../helpers/mails.ts';
import { storedIds } from '../helpers/stored.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';
import { type BreakableProxy, startBreakableProxy } from './breakable-proxy.ts';
import { findPubSubEmulator, type PubSubEmulator, startPubSubEmulator } from './pubsub-emulator.ts';
import { startRecordingProxy, type RecordingProxy } from './recording-proxy.ts';

/** The fewest that Pub/Sub takes. */
const MAX_DELIVERY_ATTEMPTS = 5;
/** The emulator delivers again after a second; a machine under load takes its time. */
const WAIT_OPTIONS = { timeout: 20_000, interval: 50 };

const program = findPubSubEmulator();
const title = `through Google's Pub/Sub emulator${program === null ? ' (left out: it is not installed)' : ''}`;

describe.skipIf(program === null)(title, { timeout: 60_000 }, () => {
  let emulator: PubSubEmulator;
  let system: TestSystem;
  let dist: Dist;
  let databaseProxy: BreakableProxy;
  let served: Served;
  let pushProxy: RecordingProxy;
  let pubsub: PubSub;
  let topic: Topic;
  let deadLetters: Subscription;
  const dead: Message[] = [];

  beforeAll(async () => {
    [emulator, system, dist] = await Promise.all([
      startPubSubEmulator(program ?? ''),
      createTestSystem(),
      buildDist(),
    ]);
    await system.switchOn();
    // The mailbox has to be known before a push can name it.
    await system.ingest();
    databaseProxy = await startBreakableProxy(system.db.url);
    served = await serve(dist.folder, 'gmailPush', { ...system.env, DATABASE_URL: databaseProxy.url });
    pushProxy = await startRecordingProxy(served.url);

    vi.stubEnv('PUBSUB_EMULATOR_HOST', emulator.host);
    // Google's libraries look for a metadata server otherwise, which takes seconds to be missed.
    vi.stubEnv('METADATA_SERVER_DETECTION', 'none');
    pubsub = new PubSub({ projectId: 'demo' });
    const [[gmailTopic], [deadTopic]] = await Promise.all([
      pubsub.createTopic('gmail'),
      pubsub.createTopic('gmail-dead'),
    ]);
    topic = gmailTopic;
    [deadLetters] = await deadTopic.createSubscription('gmail-dead');
    deadLetters.on('message', (message) => {
      dead.push(message);
      message.ack();
    });
    // Without a retry policy it is delivered again as soon as the emulator can, after a second.
    await topic.createSubscription('gmail-push', {
      pushConfig: { pushEndpoint: `${pushProxy.url}/${topic.name}` },
      ackDeadlineSeconds: 10,
      deadLetterPolicy: { deadLetterTopic: deadTopic.name, maxDeliveryAttempts: MAX_DELIVERY_ATTEMPTS },
    });
  }, 60_000);

  afterAll(async () => {
    await deadLetters?.close();
    await pubsub?.close();
    await pushProxy?.close();
    await served?.stop();
    databaseProxy?.close();
    dist?.remove();
    await Promise.all([emulator?.kill(), system?.close()]);
  });

  /** A mail arrives, and Gmail publishes: JSON and no attributes, the historyId as a number. */
  async function arrive(n: number): Promise<{ readonly id: string; readonly messageId: string }> {
    const { id } = system.gmail.deliver(order(n));
    const data = `{"emailAddress":"${system.gmail.emailAddress}","historyId":${system.gmail.historyId}}`;
    return { id, messageId: await topic.publishMessage({ data: Buffer.from(data) }) };
  }

  async function waitUntilStored(id: string): Promise<void> {
    await vi.waitFor(async () => expect(await storedIds(system)).toContain(id), WAIT_OPTIONS);
  }

  it('a published notification reaches the function as a real push, is acknowledged, and its mail stored', async () => {
    const { id, messageId } = await arrive(1);
    await waitUntilStored(id);
    await vi.waitFor(() => expect(pushProxy.statusesOf(messageId)).toEqual([204]), WAIT_OPTIONS);
    const push = JSON.parse(pushProxy.deliveries.find((one) => one.messageId === messageId)?.body ?? '');
    expect(push).toMatchObject({
      message: { messageId, attributes: {} },
      subscription: 'projects/demo/subscriptions/gmail-push',
    });
  });

  it('a push is delivered again while the database is away, and its mail stored once it is back; garbage is not', async () => {
    const garbage = await Promise.all(
      [
        { data: Buffer.from('no notification') },
        { data: Buffer.from('{"emailAddress":"x"}') },
        { attributes: { a: 'no data' } },
      ].map(async (message) => await topic.publishMessage(message)),
    );
    await vi.waitFor(() => expect(garbage.map(pushProxy.statusesOf)).toEqual(garbage.map(() => [204])), WAIT_OPTIONS);

    databaseProxy.break();
    const { id, messageId } = await arrive(2);
    await vi.waitFor(() => expect(pushProxy.statusesOf(messageId).length).toBeGreaterThanOrEqual(2), WAIT_OPTIONS);
    expect(new Set(pushProxy.statusesOf(messageId))).toEqual(new Set([503]));
    expect(await storedIds(system)).not.toContain(id);
    databaseProxy.restore();
    await waitUntilStored(id);
    await vi.waitFor(() => expect(pushProxy.statusesOf(messageId).at(-1)).toBe(204), WAIT_OPTIONS);
    // Two rounds of delivery have passed meanwhile.
    expect(garbage.map(pushProxy.statusesOf)).toEqual(garbage.map(() => [204]));
  });

  it('a push that is never acknowledged ends in the dead-letter topic, and its mail comes by the poll', async () => {
    databaseProxy.break();
    const { id, messageId } = await arrive(3);
    const isOurs = (message: Message) =>
      message.data.toString().includes(`"historyId":${system.gmail.historyId}`);
    await vi.waitFor(() => expect(dead.filter(isOurs)).toHaveLength(1), WAIT_OPTIONS);
    expect(pushProxy.statusesOf(messageId)).toEqual(Array(MAX_DELIVERY_ATTEMPTS).fill(503));
    expect(dead.find(isOurs)?.attributes).toMatchObject({
      CloudPubSubDeadLetterSourceSubscription: 'gmail-push',
      CloudPubSubDeadLetterSourceDeliveryCount: String(MAX_DELIVERY_ATTEMPTS),
    });
    expect(dead).toHaveLength(1);
    databaseProxy.restore();
    await system.ingest({ trigger: 'schedule' });
    expect(await storedIds(system)).toContain(id);
  });
});
