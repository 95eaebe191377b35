/** The Pub/Sub checks of the doctor, on Google's own emulator. Skipped, with the reason, when it is not installed. */
import { PubSub } from '@google-cloud/pubsub';
import { afterAll, afterEach, beforeAll, describe, it, vi } from 'vitest';
import { expectProblems, runDoctor } from '../commands/doctor-fixture.ts';
import { order } from '../helpers/test-emails.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';
import { findPubSubEmulator, type PubSubEmulator, startPubSubEmulator } from './pubsub-emulator.ts';

const program = findPubSubEmulator();
const title = `npm run doctor on Google's Pub/Sub emulator${program === null ? ' (skipped: it is not installed)' : ''}`;
const TOPIC = 'projects/demo/topics/gmail';
const HEALTHY = {
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
    // The first reconciliation follows the listing of the first start.
    await system.call('poll');
    await system.db.query('update mailboxes set pushed_at = now(), hint_at = now()');
    vi.stubEnv('PUBSUB_EMULATOR_HOST', emulator.host);
    // Otherwise Google's libraries look for a metadata server, which takes seconds to time out.
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

  const check = async () => await runDoctor([], { ...system.env, PUBSUB_EMULATOR_HOST: emulator.host });

  it('reports no problem for a correct topic and subscription', async () => {
    const [topic] = await pubsub.createTopic('gmail');
    await topic.createSubscription('gmail-push', HEALTHY);
    await topic.createSubscription('pull-only');
    expectProblems(await check(), {});
  });

  it('reports a missing topic with the command that creates it', async () => {
    const remediation = /^gcloud pubsub topics create gmail --project demo$/;
    expectProblems(await check(), {
      topic: ['fail', /projects\/demo\/topics\/gmail does not exist/, remediation],
    });
  });

  it('reports a missing push subscription', async () => {
    const [topic] = await pubsub.createTopic('gmail');
    await topic.createSubscription('pull-only');
    expectProblems(await check(), {
      subscription: [
        'fail',
        /has no push subscription/,
        /gcloud pubsub subscriptions create .*--topic gmail/,
      ],
    });
  });

  it('prints one command that fixes all problems of a subscription', async () => {
    const [topic] = await pubsub.createTopic('gmail');
    await topic.createSubscription('gmail-push', { pushConfig: HEALTHY.pushConfig, ackDeadlineSeconds: 20 });
    const remediation =
      /^gcloud pubsub subscriptions update gmail-push --project demo --ack-deadline 110 --dead-letter-topic TOPIC/;
    expectProblems(await check(), { subscription: ['warn', /20 s.*no dead-letter topic/, remediation] });
  });

  it('warns when Pub/Sub does not answer', async () => {
    await pubsub.createTopic('gmail');
    const env = { ...system.env, PUBSUB_EMULATOR_HOST: '127.0.0.1:9' };
    expectProblems(await runDoctor([], env), {
      topic: ['warn', /could not be checked: \S+ does not answer/, /can reach it/],
    });
  });
});
