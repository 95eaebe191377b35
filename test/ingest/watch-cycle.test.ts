import { describe, expect, test } from 'vitest';
import type { World } from '../helpers/world.ts';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();
const TOPIC = 'projects/orders-project/topics/gmail';

async function started(): Promise<World> {
  const world = await createWorld({ env: { GMAIL_PUBSUB_TOPIC: TOPIC } });
  await world.call('start');
  return world;
}

async function watchOf(world: World) {
  return (await world.call('status')).json.mailboxes[0].watch;
}

function watchCalls(world: World): number {
  return world.gmail.callLog.countByMethod['watch'] ?? 0;
}

describe('the watch', () => {
  test('is registered by start and shown with its end', async () => {
    const world = await started();
    expect(world.gmail.mailbox.watch?.topicName).toBe(TOPIC);
    expect(await watchOf(world)).toMatchObject({ topic: TOPIC, expires_at: expect.any(String), error: null });
  });

  test('is ended by stop', async () => {
    const world = await started();
    await world.call('stop');
    expect(world.gmail.mailbox.watch).toBeNull();
    expect(await watchOf(world)).toBeNull();
  });

  test('is left alone by a poll within a day of its registration', async () => {
    const world = await started();
    await world.rows("update mailbox_watches set registered_at = now() - interval '23 hours'");
    await world.call('poll');
    expect(watchCalls(world)).toBe(1);
  });

  test('is renewed by a poll a day after its registration', async () => {
    const world = await started();
    await world.rows("update mailbox_watches set registered_at = now() - interval '25 hours'");
    await world.call('poll');
    expect(watchCalls(world)).toBe(2);
    const { expires_at: end } = await watchOf(world);
    expect(new Date(end).getTime() - Date.now()).toBeGreaterThan(6 * 86_400_000);
  });

  test('is registered anew by a poll when the topic has changed', async () => {
    const world = await started();
    const other = 'projects/orders-project/topics/other';
    await world.instance({ GMAIL_PUBSUB_TOPIC: other }).call('poll');
    expect(world.gmail.mailbox.watch?.topicName).toBe(other);
  });

  test('is ended by a poll when no topic is configured any more', async () => {
    const world = await started();
    await world.instance({ GMAIL_PUBSUB_TOPIC: '' }).call('poll');
    expect(world.gmail.mailbox.watch).toBeNull();
  });
});

test('the watch is registered again at once by new credentials', async () => {
  const world = await started();
  world.gmail.reauthorize('1//new-token');
  const renewed = world.instance({ GMAIL_REFRESH_TOKEN: '1//new-token' });
  await renewed.call('poll');
  await renewed.call('poll');
  expect(watchCalls(world)).toBe(2);
});

test('the watch is renewed beside a backlog that spends the quota to its edge, and Gmail is blamed for nothing', async () => {
  const world = await createWorld({
    env: {
      GMAIL_PUBSUB_TOPIC: TOPIC,
      GMAIL_INITIAL_QUERY: 'in:anywhere',
      GMAIL_QUOTA_UNITS_PER_MINUTE: '1000',
    },
    gmail: { quotaUnitsPerMinute: 1_000, quotaKind: 'refill' },
  });
  for (let n = 0; n < 120; n += 1) world.gmail.deliver(Buffer.from(`Subject: Order ${n}\r\n\r\nHello`));
  await world.switchOn();
  for (let n = 0; n < 4 && watchCalls(world) === 0; n += 1) await world.ingest({ trigger: 'schedule' });
  expect(world.gmail.mailbox.watch?.topicName).toBe(TOPIC);
  expect(await world.rows('select error_code from mailbox_watches')).toEqual([{ error_code: null }]);
});

describe('a watch that Gmail refuses', () => {
  test.each([
    [403, 'forbidden', 'watch_denied', /roles\/pubsub\.publisher/],
    [400, 'invalidArgument', 'watch_topic_wrong', /project of the OAuth client/],
    [404, 'notFound', 'watch_topic_wrong', /project of the OAuth client/],
  ])(
    'with %i %s is a state with its remediation, and mail is fetched all the same',
    async (status, reason, code, remediation) => {
      const world = await createWorld({ env: { GMAIL_PUBSUB_TOPIC: TOPIC } });
      world.gmail.faults.add({ kind: 'status', status, reason, method: 'watch' });
      expect((await world.call('start')).status).toBe(200);
      world.gmail.deliver(Buffer.from('Subject: Order\r\n\r\nHello'));
      expect((await world.call('poll')).json).toMatchObject({ outcome: 'completed', new_emails: 1 });
      const { json } = await world.call('status');
      expect(json).toMatchObject({ state: 'watch_failing', mailboxes: [{ watch: { error: { code } } }] });
      expect(json.advice.join(' ')).toMatch(remediation);
    },
  );

  test('is tried again after a while, not in every run, and is well when that succeeds', async () => {
    const world = await createWorld({ env: { GMAIL_PUBSUB_TOPIC: TOPIC } });
    world.gmail.faults.add({ kind: 'status', status: 403, reason: 'forbidden', method: 'watch', times: 1 });
    await world.call('start');
    await world.call('poll');
    expect(watchCalls(world)).toBe(1);
    await world.rows('update mailbox_watches set next_attempt_at = now()');
    await world.call('poll');
    expect((await world.call('status')).json).toMatchObject({ state: 'watching', advice: [] });
  });

  test('holds no mail up when it does not even answer', async () => {
    const world = await createWorld({ env: { GMAIL_PUBSUB_TOPIC: TOPIC } });
    await world.switchOn();
    world.gmail.faults.add({ kind: 'status', status: 503, method: 'watch' });
    const { id } = world.gmail.deliver(Buffer.from('Subject: Order\r\n\r\nHello'));
    await world.ingest({ trigger: 'schedule' });
    const { calls } = world.gmail.callLog;
    const got = calls.findIndex((call) => call.messageId === id);
    expect(got).toBeGreaterThan(-1);
    expect(calls.findIndex((call) => call.method === 'watch')).toBeGreaterThan(got);
  });

  test("is nobody else's business: poll-now and pushes leave it alone, also without the topic", async () => {
    const world = await started();
    await world.instance({ GMAIL_PUBSUB_TOPIC: '' }).call('pollNow');
    expect(world.gmail.mailbox.watch?.topicName).toBe(TOPIC);
    await world.call('stop');
    await world.call('pollNow');
    expect(world.gmail.mailbox.watch).toBeNull();
  });

  test('is forgotten with its topic', async () => {
    const world = await createWorld({ env: { GMAIL_PUBSUB_TOPIC: TOPIC } });
    world.gmail.faults.add({ kind: 'status', status: 403, reason: 'forbidden', method: 'watch' });
    await world.call('start');
    await world.instance({ GMAIL_PUBSUB_TOPIC: '' }).call('poll');
    expect((await world.call('status')).json.state).toBe('watching');
  });

  test('with a dead token makes one ERROR line a cycle', async () => {
    const world = await started();
    await world.rows('update mailbox_watches set expires_at = now()');
    world.gmail.revokeRefreshToken();
    const second = world.instance();
    await second.call('poll');
    expect(
      second.log.filter((line) => line['severity'] === 'ERROR' && line['event'] !== 'request_failed'),
    ).toHaveLength(1);
  });
});
