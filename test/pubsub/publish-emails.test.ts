/**
 * Stored emails on a topic of Google's own Pub/Sub emulator: order, crashes and lost connections. Skipped, with the reason,
 * when the emulator is not installed.
 */
import { randomUUID } from 'node:crypto';
import { type Message, PubSub } from '@google-cloud/pubsub';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { migrate } from '../../shared/db/schema/migrations.ts';
import { Deadline } from '../../shared/deadline.ts';
import { createIngestContext } from '../../shared/ingest/ingest-context.ts';
import { publishLeftovers } from '../../shared/ingest/publish-leftovers.ts';
import { buildDist, type Dist, serve } from '../build/dist.ts';
import { CallGate } from '../helpers/call-gate.ts';
import { mail, order } from '../helpers/test-emails.ts';
import { createTestSystem, type TestSystem, type TestSystemOptions } from '../helpers/test-system.ts';
import { type PublishProxy, startPublishProxy } from './publish-proxy.ts';
import { findPubSubEmulator, type PubSubEmulator, startPubSubEmulator } from './pubsub-emulator.ts';

const WAIT_OPTIONS = { timeout: 20_000, interval: 20 };
const program = findPubSubEmulator();
const title = `stored emails on Google's Pub/Sub emulator${program === null ? ' (skipped: it is not installed)' : ''}`;

describe.skipIf(program === null)(title, { timeout: 60_000 }, () => {
  let emulator: PubSubEmulator;
  let dist: Dist;
  let pubsub: PubSub;
  let proxy: PublishProxy;
  let received: Message[];
  let topicCount = 0;
  let topic: string;
  const systems: TestSystem[] = [];

  beforeAll(async () => {
    [emulator, dist] = await Promise.all([startPubSubEmulator(program ?? ''), buildDist()]);
    vi.stubEnv('PUBSUB_EMULATOR_HOST', emulator.host);
    // Otherwise Google's libraries look for a metadata server, which takes seconds to time out.
    vi.stubEnv('METADATA_SERVER_DETECTION', 'none');
    pubsub = new PubSub({ projectId: 'demo' });
  }, 60_000);
  afterAll(async () => {
    await pubsub?.close();
    dist?.remove();
    await emulator?.kill();
  });

  beforeEach(async () => {
    topicCount += 1;
    proxy = await startPublishProxy(emulator.host);
    const [created] = await pubsub.createTopic(`emails-${topicCount}`);
    const [subscription] = await created.createSubscription(`worker-${topicCount}`, {
      enableMessageOrdering: true,
    });
    topic = created.name;
    const messages: Message[] = [];
    received = messages;
    subscription.on('message', (message) => {
      messages.push(message);
      message.ack();
    });
  });
  afterEach(async () => {
    await Promise.all(systems.splice(0).map(async (system) => await system.close()));
    await proxy.close();
    await pubsub.subscription(`worker-${topicCount}`).close();
  });

  async function startSystem(options: TestSystemOptions = {}): Promise<TestSystem> {
    const system = await createTestSystem({
      ...options,
      env: { EMAILS_PUBSUB_TOPIC: topic, PUBSUB_EMULATOR_HOST: proxy.host, ...options.env },
    });
    systems.push(system);
    await system.turnOn();
    return system;
  }

  const receivedIds = () => received.map((message) => Number(message.attributes['email_id']));
  const outbox = async (system: TestSystem) => await system.rows('select id from email_outbox');
  const emailIds = async (system: TestSystem) =>
    (await system.rows<{ id: number }>('select id from incoming_emails order by id')).map(({ id }) => id);

  it('publishes one message per stored email, with its ids and without mail content, before poll answers', async () => {
    const system = await startSystem();
    const withFile = system.gmail.deliver(order('SECRET-1'));
    const plain = system.gmail.deliver(mail('SECRET-2'));
    expect((await system.call('poll')).json).toMatchObject({ outcome: 'completed', new_emails: 2 });
    expect(await outbox(system)).toEqual([]);
    await vi.waitFor(() => expect(received).toHaveLength(2), WAIT_OPTIONS);

    const rows = await system.rows<{ id: number; gmail_message_id: string }>(
      'select id, gmail_message_id from incoming_emails order by id',
    );
    const [mailbox] = await system.rows<{ id: number }>('select id from mailboxes');
    // The two stores are concurrent, so their ids may be in another order than their commits.
    received.sort((a, b) => Number(a.attributes['email_id']) - Number(b.attributes['email_id']));
    expect(received.map(({ attributes }) => attributes)).toEqual(
      rows.map(({ id, gmail_message_id }) => ({
        email_id: String(id),
        mailbox: system.gmail.emailAddress,
        gmail_message_id,
        has_attachments: String(gmail_message_id === withFile.id),
      })),
    );
    expect(rows.map((row) => row.gmail_message_id).sort()).toEqual([withFile.id, plain.id].sort());
    expect(received.map((message) => message.orderingKey)).toEqual([
      String(mailbox?.id),
      String(mailbox?.id),
    ]);
    expect(received.map((message) => JSON.parse(message.data.toString()))).toEqual(
      rows.map(({ id }) => ({ email_id: id })),
    );
    expect(proxy.bodies.join()).not.toMatch(/SECRET|alice/i);
  });

  it('publishes all of 200 emails in the order of the outbox, although connections break before and after publishing', async () => {
    const system = await startSystem();
    await system.rows(`
      create table outbox_log (id bigint, email_id integer);
      create function log_outbox() returns trigger language plpgsql as $$
      begin
        insert into outbox_log values (new.id, new.email_id);
        return new;
      end $$;
      create trigger log_outbox before insert on email_outbox for each row execute function log_outbox()`);
    const failures = [
      'lose_request',
      'lose_request',
      'lose_response',
      'lose_response',
      'lose_request',
    ] as const;
    // After the failures one request succeeds, and so on.
    proxy.treatment = (n) => failures[(n - 1) % 6] ?? 'forward';
    for (let n = 1; n <= 200; n += 1) {
      system.gmail.deliver(order(n));
      if (n % 20 === 0) expect((await system.call('poll')).json).toMatchObject({ outcome: 'completed' });
    }
    const rows = await system.rows<{ email_id: number }>('select email_id from outbox_log order by id');
    const ids = rows.map((row) => row.email_id);
    expect(ids.toSorted((a, b) => a - b)).toEqual(await emailIds(system));
    expect(ids).toHaveLength(200);
    const failedRuns = system.log.filter((line) => line['event'] === 'publish_failed').length;
    expect(failedRuns).toBeGreaterThanOrEqual(4);
    proxy.treatment = () => 'forward';
    expect((await system.call('poll')).json).toMatchObject({ outcome: 'completed', new_emails: 0 });
    expect(await outbox(system)).toEqual([]);
    await vi.waitFor(() => expect(new Set(receivedIds()).size).toBe(200), WAIT_OPTIONS);
    // Messages whose acknowledgement was lost are published again, also in order.
    expect(received.length).toBeGreaterThan(200);
    const firsts = receivedIds().filter((id, at, all) => all.indexOf(id) === at);
    expect(firsts).toEqual(ids);
  });

  it('publishes an email after the process was killed between its commit and its publication', async () => {
    const system = await startSystem();
    await system.call('poll');
    const env = { ...system.env, METADATA_SERVER_DETECTION: 'none' };
    const served = await serve(dist.folder, 'poll', env);
    proxy.treatment = () => 'hold';
    system.gmail.deliver(order(1));
    const answer = fetch(served.url, { method: 'POST' }).catch((error: unknown) => error);
    await vi.waitFor(() => expect(proxy.requestCount).toBe(1), WAIT_OPTIONS);
    expect(await served.stop('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });
    expect(await answer).toBeInstanceOf(Error);
    expect([await emailIds(system), await outbox(system)]).toEqual([[expect.any(Number)], [{ id: 1 }]]);
    expect(received).toEqual([]);

    proxy.treatment = () => 'forward';
    const next = await serve(dist.folder, 'poll', env);
    const poll = async () => await (await fetch(next.url, { method: 'POST' })).json();
    try {
      // The lease of the killed process ends.
      await system.pass(60);
      expect(await poll()).toMatchObject({ outcome: 'completed', new_emails: 0 });
      await vi.waitFor(async () => expect(receivedIds()).toEqual(await emailIds(system)), WAIT_OPTIONS);
      expect(await outbox(system)).toEqual([]);
    } finally {
      await next.stop();
    }
  });

  it('publishes while a run works, not only at its end', async () => {
    const gate = new CallGate();
    const system = await startSystem({ gmail: { timers: gate.timers } });
    await system.call('poll');
    system.gmail.deliver(order(1));
    await system.call('poll');
    await vi.waitFor(() => expect(received).toHaveLength(1), WAIT_OPTIONS);
    system.gmail.deliver(order(2));
    const slow = system.gmail.deliver(order(3));
    gate.hold(system.gmail, 'messages.get');
    system.gmail.faults.clear();
    system.gmail.faults.add({ kind: 'delay', delayMs: 1, method: 'messages.get', messageId: slow.id });
    const run = system.call('poll');
    await gate.arrival();
    await vi.waitFor(() => expect(received).toHaveLength(2), WAIT_OPTIONS);
    expect(await system.rows('select outcome from ingest_runs order by id desc limit 1')).toEqual([
      { outcome: null },
    ]);
    gate.release();
    expect((await run).json).toMatchObject({ outcome: 'completed', new_emails: 2 });
    await vi.waitFor(() => expect(received).toHaveLength(3), WAIT_OPTIONS);
  });

  it('stores what a push announces while the end of a run waits for Pub/Sub', async () => {
    const system = await startSystem();
    await system.call('poll');
    proxy.treatment = () => 'hold';
    system.gmail.deliver(order(1));
    const run = system.call('poll');
    await vi.waitFor(() => expect(proxy.requestCount).toBe(1), WAIT_OPTIONS);
    const { historyId } = system.gmail.deliver(order(2));
    const notification = JSON.stringify({ emailAddress: system.gmail.emailAddress, historyId });
    const data = Buffer.from(notification).toString('base64');
    expect((await system.instance().call('gmailPush', { body: { message: { data } } })).status).toBe(204);
    await vi.waitFor(async () => expect(await emailIds(system)).toHaveLength(2), WAIT_OPTIONS);
    expect(await outbox(system)).toHaveLength(2);
    expect(system.log.filter((line) => line['event'] === 'publish_failed')).toEqual([]);
    proxy.treatment = () => 'forward';
    expect((await run).json).toMatchObject({ outcome: 'completed', new_emails: 2 });
    expect(await outbox(system)).toEqual([]);
    await vi.waitFor(() => expect(new Set(receivedIds()).size).toBe(2), WAIT_OPTIONS);
  });

  it('a poll publishes what is left while the monitor is stopped, without a run, and releases the lease', async () => {
    const system = await startSystem();
    proxy.treatment = () => 'lose_request';
    system.gmail.deliver(order(1));
    await system.call('poll');
    await system.call('stop');
    const runs = await system.rows('select id from ingest_runs');
    proxy.treatment = () => 'forward';
    system.gmail.deliver(order(2));
    expect((await system.call('poll')).json).toMatchObject({ outcome: 'stopped' });
    await vi.waitFor(async () => expect(receivedIds()).toEqual(await emailIds(system)), WAIT_OPTIONS);
    expect(await outbox(system)).toEqual([]);
    expect(await system.rows('select id from ingest_runs')).toEqual(runs);
    expect(await system.rows('select lease_token from mailboxes')).toEqual([{ lease_token: null }]);
    expect(received).toHaveLength(1);
  });

  it('a poll that is not due publishes what is left, and fetches what a push announces in the meantime', async () => {
    const system = await startSystem({ env: { GMAIL_POLL_INTERVAL_SECONDS: '600' } });
    proxy.treatment = () => 'lose_request';
    system.gmail.deliver(order(1));
    await system.call('poll');
    const { emailAddress } = system.gmail;
    proxy.treatment = () => 'forward';
    expect((await system.call('poll')).json).toMatchObject({ outcome: 'not_due' });
    expect(await outbox(system)).toEqual([]);

    await system.rows(
      'insert into email_outbox (mailbox_id, email_id) select mailbox_id, id from incoming_emails',
    );
    proxy.treatment = () => 'hold';
    const before = proxy.requestCount;
    const poll = system.call('poll');
    await vi.waitFor(() => expect(proxy.requestCount).toBeGreaterThan(before), WAIT_OPTIONS);
    const { historyId } = system.gmail.deliver(order(2));
    const data = Buffer.from(JSON.stringify({ emailAddress, historyId })).toString('base64');
    expect((await system.instance().call('gmailPush', { body: { message: { data } } })).status).toBe(204);
    expect(await emailIds(system)).toHaveLength(1);
    proxy.treatment = () => 'forward';
    expect((await poll).json).toMatchObject({ outcome: 'completed', new_emails: 1 });
    await vi.waitFor(async () => expect(new Set(receivedIds()).size).toBe(2), WAIT_OPTIONS);
  });

  it('spends at most five seconds on what is left, and continues with the next poll', async () => {
    const system = await startSystem({ env: { EMAILS_PUBSUB_TOPIC: '' } });
    for (let n = 1; n <= 201; n += 1) system.gmail.deliver(order(n));
    await system.call('poll');
    await system.rows(
      'insert into email_outbox (mailbox_id, email_id) select mailbox_id, id from incoming_emails',
    );
    expect(await outbox(system)).toHaveLength(201);
    // Each batch of 100 takes three seconds of this clock.
    const clock = () => proxy.requestCount * 3_000;
    const { context } = system.instance({ EMAILS_PUBSUB_TOPIC: topic });
    const app = { ...createIngestContext(context), clock };
    await publishLeftovers(app, [1], Deadline.after(100_000, clock));
    expect([proxy.requestCount, (await outbox(system)).length]).toEqual([2, 1]);
    await publishLeftovers(app, [1], Deadline.after(100_000, clock));
    expect(await outbox(system)).toEqual([]);
  });

  it.each(['ingest', 'console'] as const)(
    'publishes with only the database privileges of the account %s',
    async (part) => {
      const system = await startSystem();
      const account = `email-monitor-${part}@${randomUUID().slice(0, 8)}.iam`;
      const url = new URL(system.db.url);
      await system.rows(`create role "${account}" login password '${url.password}'`);
      try {
        await migrate({ kind: 'url', url: system.db.url }, [{ part, account }]);
        url.username = encodeURIComponent(account);
        system.gmail.deliver(order(1));
        const { status } = await system.instance({ DATABASE_URL: url.href }).call('pollNow');
        expect([status, await outbox(system)]).toEqual([200, []]);
        await vi.waitFor(async () => expect(receivedIds()).toEqual(await emailIds(system)), WAIT_OPTIONS);
        expect(received).toHaveLength(1);
      } finally {
        await system.rows(`drop owned by "${account}"; drop role "${account}"`);
      }
    },
  );

  it('stores the email, completes the run and says what to do when the topic does not exist', async () => {
    const system = await startSystem({ env: { EMAILS_PUBSUB_TOPIC: 'projects/demo/topics/none' } });
    system.gmail.deliver(order(1));
    expect((await system.call('poll')).json).toMatchObject({ outcome: 'completed', new_emails: 1 });
    expect(system.log.filter((line) => line['event'] === 'publish_failed')).toEqual([
      expect.objectContaining({
        severity: 'ERROR',
        error_code: 'emails_topic_denied',
        detail: 'Topic not found',
        remediation: expect.stringContaining('roles/pubsub.publisher'),
      }),
    ]);
    expect(await outbox(system)).toHaveLength(1);
  });
});
