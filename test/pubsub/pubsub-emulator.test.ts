/**
 * A notification through Google's own Pub/Sub emulator to the built function. It verifies what our emulated pushes only
 * assume, above all redelivery and dead letters. Skipped, with the reason, when the emulator is not installed.
 */
import { type Message, PubSub, type Subscription, type Topic } from '@google-cloud/pubsub';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { buildDist, type Dist, type Served, serve } from '../build/dist.ts';
import { storedIds } from '../helpers/stored.ts';
import { order } from '../helpers/test-emails.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';
import { type BreakableProxy, startBreakableProxy } from './breakable-proxy.ts';
import { findPubSubEmulator, type PubSubEmulator, startPubSubEmulator } from './pubsub-emulator.ts';
import { type RecordingProxy, startRecordingProxy } from './recording-proxy.ts';

/** The minimum that Pub/Sub accepts. */
const MAX_DELIVERY_ATTEMPTS = 5;
/** The emulator redelivers after a second; a busy machine takes longer. */
const WAIT_OPTIONS = { timeout: 20_000, interval: 50 };

const program = findPubSubEmulator();
const title = `push through Google's Pub/Sub emulator${program === null ? ' (skipped: it is not installed)' : ''}`;

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
    await system.turnOn();
    // A push can name only a mailbox that the database has.
    await system.ingest();
    databaseProxy = await startBreakableProxy(system.db.url);
    served = await serve(dist.folder, 'gmailPush', { ...system.env, DATABASE_URL: databaseProxy.url });
    pushProxy = await startRecordingProxy(served.url);

    vi.stubEnv('PUBSUB_EMULATOR_HOST', emulator.host);
    // Otherwise Google's libraries look for a metadata server, which takes seconds to time out.
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
    // Without a retry policy, the emulator redelivers as soon as it can, after a second.
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

  /** Delivers an email and publishes as Gmail does: JSON without attributes, the historyId as a number. */
  async function deliverAndPublish(n: number): Promise<{ readonly id: string; readonly messageId: string }> {
    const { id } = system.gmail.deliver(order(n));
    const data = `{"emailAddress":"${system.gmail.emailAddress}","historyId":${system.gmail.historyId}}`;
    return { id, messageId: await topic.publishMessage({ data: Buffer.from(data) }) };
  }

  async function waitUntilStored(id: string): Promise<void> {
    await vi.waitFor(async () => expect(await storedIds(system)).toContain(id), WAIT_OPTIONS);
  }

  it('delivers a notification as a real push, which is acknowledged after its email is stored', async () => {
    const { id, messageId } = await deliverAndPublish(1);
    await waitUntilStored(id);
    await vi.waitFor(() => expect(pushProxy.statusesOf(messageId)).toEqual([204]), WAIT_OPTIONS);
    const push = JSON.parse(pushProxy.deliveries.find((one) => one.messageId === messageId)?.body ?? '');
    expect(push).toMatchObject({
      message: { messageId, attributes: {} },
      subscription: 'projects/demo/subscriptions/gmail-push',
    });
  });

  it('redelivers a push while the database is unavailable, but never an invalid notification', async () => {
    const garbage = await Promise.all(
      [
        { data: Buffer.from('no notification') },
        { data: Buffer.from('{"emailAddress":"x"}') },
        { attributes: { a: 'no data' } },
      ].map(async (message) => await topic.publishMessage(message)),
    );
    await vi.waitFor(
      () => expect(garbage.map(pushProxy.statusesOf)).toEqual(garbage.map(() => [204])),
      WAIT_OPTIONS,
    );

    databaseProxy.break();
    const { id, messageId } = await deliverAndPublish(2);
    await vi.waitFor(
      () => expect(pushProxy.statusesOf(messageId).length).toBeGreaterThanOrEqual(2),
      WAIT_OPTIONS,
    );
    expect(new Set(pushProxy.statusesOf(messageId))).toEqual(new Set([503]));
    expect(await storedIds(system)).not.toContain(id);
    databaseProxy.restore();
    await waitUntilStored(id);
    await vi.waitFor(() => expect(pushProxy.statusesOf(messageId).at(-1)).toBe(204), WAIT_OPTIONS);
    // Pub/Sub has redelivered the valid push at least twice in the meantime.
    expect(garbage.map(pushProxy.statusesOf)).toEqual(garbage.map(() => [204]));
  });

  it('moves a push that is never acknowledged to the dead-letter topic, and the poll stores its email', async () => {
    databaseProxy.break();
    const { id, messageId } = await deliverAndPublish(3);
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
