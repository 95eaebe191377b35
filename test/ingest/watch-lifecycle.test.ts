import { describe, expect, test } from 'vitest';
import type { TestSystem } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();
const TOPIC = 'projects/orders-project/topics/gmail';

async function started(): Promise<TestSystem> {
  const system = await createTestSystem({ env: { GMAIL_PUBSUB_TOPIC: TOPIC } });
  await system.call('start');
  return system;
}

async function watchOf(system: TestSystem) {
  return (await system.call('status')).json.mailboxes[0].watch;
}

function watchCalls(system: TestSystem): number {
  return system.gmail.callLog.countByMethod['watch'] ?? 0;
}

describe('watch', () => {
  test('start registers the watch and status shows its expiry', async () => {
    const system = await started();
    expect(system.gmail.mailbox.watch?.topicName).toBe(TOPIC);
    expect(await watchOf(system)).toMatchObject({
      topic: TOPIC,
      expires_at: expect.any(String),
      error: null,
    });
  });

  test('stop ends the watch', async () => {
    const system = await started();
    await system.call('stop');
    expect(system.gmail.mailbox.watch).toBeNull();
    expect(await watchOf(system)).toBeNull();
  });

  test('a poll does not renew the watch within a day of its registration', async () => {
    const system = await started();
    await system.rows("update mailbox_watches set registered_at = now() - interval '23 hours'");
    await system.call('poll');
    expect(watchCalls(system)).toBe(1);
  });

  test('a poll renews the watch a day after its registration', async () => {
    const system = await started();
    await system.rows("update mailbox_watches set registered_at = now() - interval '25 hours'");
    await system.call('poll');
    expect(watchCalls(system)).toBe(2);
    const { expires_at: end } = await watchOf(system);
    expect(new Date(end).getTime() - Date.now()).toBeGreaterThan(6 * 86_400_000);
  });

  test('a poll renews the watch within the shortest run budget', async () => {
    const system = await started();
    await system.rows("update mailbox_watches set registered_at = now() - interval '25 hours'");
    await system.instance({ RUN_BUDGET_SECONDS: '5' }).call('poll');
    expect(watchCalls(system)).toBe(2);
  });

  test('a poll registers the watch again when the topic has changed', async () => {
    const system = await started();
    const other = 'projects/orders-project/topics/other';
    await system.instance({ GMAIL_PUBSUB_TOPIC: other }).call('poll');
    expect(system.gmail.mailbox.watch?.topicName).toBe(other);
  });

  test('a poll ends the watch when no topic is configured any more', async () => {
    const system = await started();
    await system.instance({ GMAIL_PUBSUB_TOPIC: '' }).call('poll');
    expect(system.gmail.mailbox.watch).toBeNull();
  });
});

test('the first poll with new credentials registers the watch again', async () => {
  const system = await started();
  system.gmail.reauthorize('1//new-token');
  const renewed = system.instance({ GMAIL_REFRESH_TOKEN: '1//new-token' });
  await renewed.call('poll');
  await renewed.call('poll');
  expect(watchCalls(system)).toBe(2);
});

test('registers the watch during a backlog that spends the whole quota, and records no Gmail error', async () => {
  const system = await createTestSystem({
    env: {
      GMAIL_PUBSUB_TOPIC: TOPIC,
      GMAIL_INITIAL_QUERY: 'in:anywhere',
      GMAIL_QUOTA_UNITS_PER_MINUTE: '1000',
    },
    gmail: { quotaUnitsPerMinute: 1_000, quotaKind: 'refill' },
  });
  for (let n = 0; n < 120; n += 1) system.gmail.deliver(Buffer.from(`Subject: Order ${n}\r\n\r\nHello`));
  await system.turnOn();
  for (let n = 0; n < 4 && watchCalls(system) === 0; n += 1) await system.ingest({ trigger: 'schedule' });
  expect(system.gmail.mailbox.watch?.topicName).toBe(TOPIC);
  expect(await system.rows('select error_code from mailbox_watches')).toEqual([{ error_code: null }]);
});

describe('rejected watch', () => {
  test.each([
    [403, 'forbidden', 'watch_denied', /roles\/pubsub\.publisher/],
    [400, 'invalidArgument', 'watch_topic_wrong', /project of the OAuth client/],
    [404, 'notFound', 'watch_topic_wrong', /project of the OAuth client/],
  ])(
    'a watch that Gmail rejects with %i %s is a state with its remediation, and messages are still fetched',
    async (status, reason, code, remediation) => {
      const system = await createTestSystem({ env: { GMAIL_PUBSUB_TOPIC: TOPIC } });
      system.gmail.faults.add({ kind: 'status', status, reason, method: 'watch' });
      expect((await system.call('start')).status).toBe(200);
      system.gmail.deliver(Buffer.from('Subject: Order\r\n\r\nHello'));
      expect((await system.call('poll')).json).toMatchObject({ outcome: 'completed', new_emails: 1 });
      const { json } = await system.call('status');
      expect(json).toMatchObject({ state: 'watch_failing', mailboxes: [{ watch: { error: { code } } }] });
      expect(json.advice.join(' ')).toMatch(remediation);
    },
  );

  test('retries a rejected watch after a while, not in every run, and reports watching on success', async () => {
    const system = await createTestSystem({ env: { GMAIL_PUBSUB_TOPIC: TOPIC } });
    system.gmail.faults.add({ kind: 'status', status: 403, reason: 'forbidden', method: 'watch', times: 1 });
    await system.call('start');
    await system.call('poll');
    expect(watchCalls(system)).toBe(1);
    await system.rows('update mailbox_watches set next_attempt_at = now()');
    await system.call('poll');
    expect((await system.call('status')).json).toMatchObject({ state: 'watching', advice: [] });
  });

  test('a run fetches messages before it calls a watch method that does not answer', async () => {
    const system = await createTestSystem({ env: { GMAIL_PUBSUB_TOPIC: TOPIC } });
    await system.turnOn();
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'watch' });
    const { id } = system.gmail.deliver(Buffer.from('Subject: Order\r\n\r\nHello'));
    await system.ingest({ trigger: 'schedule' });
    const { calls } = system.gmail.callLog;
    const got = calls.findIndex((call) => call.messageId === id);
    expect(got).toBeGreaterThan(-1);
    expect(calls.findIndex((call) => call.method === 'watch')).toBeGreaterThan(got);
  });

  test('poll-now neither registers nor ends the watch, with or without a topic', async () => {
    const system = await started();
    await system.instance({ GMAIL_PUBSUB_TOPIC: '' }).call('pollNow');
    expect(system.gmail.mailbox.watch?.topicName).toBe(TOPIC);
    await system.call('stop');
    await system.call('pollNow');
    expect(system.gmail.mailbox.watch).toBeNull();
  });

  test('forgets a rejected watch when no topic is configured any more', async () => {
    const system = await createTestSystem({ env: { GMAIL_PUBSUB_TOPIC: TOPIC } });
    system.gmail.faults.add({ kind: 'status', status: 403, reason: 'forbidden', method: 'watch' });
    await system.call('start');
    await system.instance({ GMAIL_PUBSUB_TOPIC: '' }).call('poll');
    expect((await system.call('status')).json.state).toBe('watching');
  });

  test('a poll with a revoked token logs one error', async () => {
    const system = await started();
    await system.rows('update mailbox_watches set expires_at = now()');
    system.gmail.revokeRefreshToken();
    const second = system.instance();
    await second.call('poll');
    expect(
      second.log.filter((line) => line['severity'] === 'ERROR' && line['event'] !== 'request_failed'),
    ).toHaveLength(1);
  });
});
