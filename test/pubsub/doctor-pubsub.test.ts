/** The doctor's look at Pub/Sub, on Google's own emulator. Left out where that is not installed, and says so. */
import { PubSub } from '@google-cloud/pubsub';
import { afterAll, afterEach, beforeAll, describe, it, vi } from 'vitest';
import { runDoctor, expectProblems } from '../commands/doctor-fixture.ts';
import { order } from '../helpers/mails.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';
import { findPubSubEmulator, type PubSubEmulator, startPubSubEmulator } from './pubsub-emulator.ts';

const program = findPubSubEmulator();
const title = `npm run doctor on Google's Pub/Sub emulator${program === null ? ' (left out: it is not installed)' : ''}`;
const TOPIC = 'projects/demo/topics/gmail';
const WELL = {
  pushConfig: { pushEndpoint: 'http://127.0.0.1:9/' },
  ackDeadlineSeconds: 110,
  deadLetterPolicy: { deadLetterTopic: 'projects/demo/topics/gmail-dead', maxDeliveryAttempts: 5 },
};

describe.skipIf(program === null)(title, { timeout: 60_000 }, () => {
  let emulator: PubSubEmulator;
  let system: TestSystem;
  let pubsub: PubSub;

  beforeAll(async () => {
    [emulator, system] = await Promise.all([
      startPubSubEmulator(program ?? ''),
      createTestSystem({ env: { GMAIL_PUBSUB_TOPIC: TOPIC } }),
    ]);
    await system.call('start');
    system.gmail.deliver(order(1));
    await system.call('poll');
    // The first reconciliation comes after the listing of the first start.
    await system.call('poll');
    await system.db.query('update mailboxes set pushed_at = now(), hint_at = now()');
    vi.stubEnv('PUBSUB_EMULATOR_HOST', emulator.host);
    // Google's libraries look for a metadata server otherwise, which takes seconds to be missed.
    vi.stubEnv('METADATA_SERVER_DETECTION', 'none');
    pubsub = new PubSub({ projectId: 'demo' });
    await pubsub.createTopic('gmail-dead');
  }, 60_000);

  afterEach(async () => {
    const [subscriptions] = await pubsub.getSubscriptions();
    await Promise.all(subscriptions.map(async (one) => await one.delete()));
    await pubsub
      .topic('gmail')
      .delete()
      .catch(() => undefined);
  });
  afterAll(async () => {
    await pubsub?.close();
    await Promise.all([emulator?.kill(), system?.close()]);
  });

  const examine = async () => await runDoctor([], { ...system.env, PUBSUB_EMULATOR_HOST: emulator.host });

  it('finds topic and subscription well', async () => {
    const [topic] = await pubsub.createTopic('gmail');
    await topic.createSubscription('gmail-push', WELL);
    await topic.createSubscription('onlooker');
    expectProblems(await examine(), {});
  });

  it('misses the topic, and gives the command that makes it', async () => {
    const remediation = /^gcloud pubsub topics create gmail --project demo$/;
    expectProblems(await examine(), {
      topic: ['fail', /projects\/demo\/topics\/gmail does not exist/, remediation],
    });
  });

  it('misses a subscription that pushes', async () => {
    const [topic] = await pubsub.createTopic('gmail');
    await topic.createSubscription('onlooker');
    expectProblems(await examine(), {
      subscription: ['fail', /has none that pushes/, /gcloud pubsub subscriptions create .*--topic gmail/],
    });
  });

  it('gives the one command for all that a subscription lacks', async () => {
    const [topic] = await pubsub.createTopic('gmail');
    await topic.createSubscription('gmail-push', { pushConfig: WELL.pushConfig, ackDeadlineSeconds: 20 });
    const remediation =
      /^gcloud pubsub subscriptions update gmail-push --project demo --ack-deadline 110 --dead-letter-topic TOPIC/;
    expectProblems(await examine(), { subscription: ['warn', /20 s.*no dead letter topic/, remediation] });
  });

  it('tells a Pub/Sub that does not answer', async () => {
    await pubsub.createTopic('gmail');
    const env = { ...system.env, PUBSUB_EMULATOR_HOST: '127.0.0.1:9' };
    expectProblems(await runDoctor([], env), {
      topic: ['warn', /cannot be looked at: \S+ does not answer/, /reaches it/],
    });
  });
});
