/** Publishing stored emails while Pub/Sub does not work. test/pubsub has the tests with Google's emulator. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { freePort } from '../../local/ports.ts';
import type { Environment } from '../../shared/config.ts';
import { recordHint } from '../../shared/db/hints.ts';
import { takeLeaseWithoutRun } from '../../shared/db/lease.ts';
import { Deadline } from '../../shared/deadline.ts';
import { createPublisher } from '../../shared/handoff/email-publisher.ts';
import { EmailsTopic } from '../../shared/handoff/emails-topic.ts';
import { createIngestContext } from '../../shared/ingest/ingest-context.ts';
import { storedIds } from '../helpers/stored.ts';
import { order } from '../helpers/test-emails.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const TOPIC = 'projects/demo/topics/emails';
const EMAIL = { id: 1, email_id: 7, mailbox: 'a@example.com', gmail_message_id: 'm', has_attachments: true };
const createTestSystem = useTestSystems();

/** No process listens on the port. */
async function withPubSubDown() {
  const system = await createTestSystem({
    env: { EMAILS_PUBSUB_TOPIC: TOPIC, PUBSUB_EMULATOR_HOST: `127.0.0.1:${await freePort()}` },
  });
  await system.turnOn();
  const failures = () => system.log.filter((line) => line['event'] === 'publish_failed');
  const outbox = async () => await system.rows<{ id: number }>('select id from email_outbox order by id');
  return { system, failures, outbox };
}

/** Accepts connections and does not answer. `close` breaks them. */
async function startHangingPubSub() {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    sockets.add(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const env = {
    EMAILS_PUBSUB_TOPIC: TOPIC,
    PUBSUB_EMULATOR_HOST: `127.0.0.1:${(server.address() as AddressInfo).port}`,
  };
  const close = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { server, env, close };
}

/** One email in the outbox, and no poll due. @returns `publishing`: an instance with a topic */
async function withLeftover(env: Environment) {
  const system = await createTestSystem({ env: { GMAIL_POLL_INTERVAL_SECONDS: '600' } });
  await system.turnOn();
  system.gmail.deliver(order(1));
  // The first reconciliation follows the listing of the first start.
  for (let n = 0; n < 2; n += 1) await system.call('poll');
  await system.rows(
    'insert into email_outbox (mailbox_id, email_id) select mailbox_id, id from incoming_emails',
  );
  return { system, publishing: system.instance(env) };
}

test('without a topic, a stored email gets no outbox row', async () => {
  const system = await createTestSystem();
  await system.turnOn();
  const { id } = system.gmail.deliver(order(1));
  await system.call('poll');
  expect(await storedIds(system)).toEqual([id]);
  expect(await system.rows('select id from email_outbox')).toEqual([]);
  expect((await system.call('status')).json.mailboxes[0].unpublished).toBeNull();
});

test('while Pub/Sub is down, the run completes, the email is stored, its outbox row stays, and the log says what to do', async () => {
  const { system, failures, outbox } = await withPubSubDown();
  const { id } = system.gmail.deliver(order(1));
  expect((await system.call('poll')).json).toMatchObject({ outcome: 'completed', new_emails: 1 });
  expect(await storedIds(system)).toEqual([id]);
  expect(await outbox()).toEqual([{ id: 1 }]);
  expect(failures()).toEqual([
    expect.objectContaining({
      severity: 'WARNING',
      error_code: 'emails_topic_unavailable',
      detail: expect.stringContaining('ECONNREFUSED'),
      remediation: expect.stringContaining('the next run publishes them'),
      run_id: expect.any(Number),
    }),
  ]);
  expect(await system.rows('select failure_count, lease_token, last_error from mailboxes')).toEqual([
    { failure_count: 0, lease_token: null, last_error: null },
  ]);

  await system.call('poll');
  expect(failures()).toHaveLength(2);
  expect(await outbox()).toEqual([{ id: 1 }]);
});

test('status shows unpublished emails, and advises after five minutes', async () => {
  const { system } = await withPubSubDown();
  system.gmail.deliver(order(1));
  system.gmail.deliver(order(2));
  await system.call('poll');
  const status = async () => (await system.call('status')).json;
  const codes = ({ advice_items: items }: { advice_items: { code: string }[] }) =>
    items.map(({ code }) => code);
  const fresh = await status();
  expect(fresh.mailboxes[0].unpublished).toEqual({ count: 2, oldest_since: expect.any(String) });
  expect(codes(fresh)).not.toContain('emails_unpublished');

  await system.rows("update email_outbox set created_at = created_at - interval '6 minutes'");
  const late = await status();
  expect(codes(late)).toContain('emails_unpublished');
  expect(late.advice.join()).toMatch(
    /2 emails of orders@example\.com stored since \S+ could not be published\..*publish_failed.*turned off.*delete from email_outbox.*POST poll-now/,
  );
});

test('a run tries to publish only once while Pub/Sub is down', async () => {
  const { system, failures, outbox } = await withPubSubDown();
  system.gmail.deliver(order(1));
  await system.call('poll');
  const app = createIngestContext(system.context);
  const lease = { mailboxId: 1, token: randomUUID() };
  expect(await takeLeaseWithoutRun(app.db, lease, 'test')).toBe(true);
  const publisher = createPublisher(app, { lease, deadline: Deadline.after(60_000), hasUnpublished: true });
  await publisher?.flush();
  expect(failures()).toHaveLength(2);
  publisher?.noteStored();
  await publisher?.flush();
  await publisher?.stop();
  expect(failures()).toHaveLength(2);
  expect(await outbox()).toHaveLength(1);
});

test('after the deadline of a run, nothing is published and the rows wait for the next run', async () => {
  const { system, failures, outbox } = await withPubSubDown();
  system.gmail.deliver(order(1));
  await system.call('poll');
  const app = createIngestContext(system.context);
  const lease = { mailboxId: 1, token: randomUUID() };
  expect(await takeLeaseWithoutRun(app.db, lease, 'test')).toBe(true);
  const late = createPublisher(app, { lease, deadline: Deadline.after(0), hasUnpublished: true });
  await late?.flush();
  await late?.stop();
  expect(failures()).toHaveLength(1);
  expect(await outbox()).toHaveLength(1);
});

test('a batch gets no more time than is left until the deadline', async () => {
  const { env, close } = await startHangingPubSub();
  try {
    const { system, publishing } = await withLeftover(env);
    const app = createIngestContext(publishing.context);
    const lease = { mailboxId: 1, token: randomUUID() };
    expect(await takeLeaseWithoutRun(app.db, lease, 'test')).toBe(true);
    // The clock does not advance, so that the read of the outbox takes no time.
    const deadline = Deadline.after(50, () => 0);
    const publisher = createPublisher(app, { lease, deadline, hasUnpublished: true });
    await publisher?.flush();
    await publisher?.stop();
    expect(publishing.log.find((line) => line['event'] === 'publish_failed')).toMatchObject({
      detail: 'No answer within 50 ms',
    });
    expect(await system.rows('select id from email_outbox')).toHaveLength(1);
  } finally {
    close();
  }
});

test('a poll that publishes what is left releases the lease after a push, also while Pub/Sub does not answer', async () => {
  const { server, env, close } = await startHangingPubSub();
  try {
    const { system, publishing } = await withLeftover(env);
    // So that the poll answers at once, without the run that would follow.
    await system.rows('update email_monitor_status set is_running = false');
    const connected = once(server, 'connection');
    const poll = publishing.call('poll');
    await connected;
    const { emailAddress } = system.gmail;
    const { historyId } = system.gmail.deliver(order(2));
    await recordHint(system.db, { emailAddress, historyId });
    expect((await poll).json).toMatchObject({ outcome: 'stopped' });
    // Pub/Sub has neither answered nor been given up.
    expect(publishing.log.filter((line) => line['event'] === 'publish_failed')).toEqual([]);
    expect(await system.rows('select lease_token from mailboxes')).toEqual([{ lease_token: null }]);
    expect(await system.rows('select id from email_outbox')).toHaveLength(1);
  } finally {
    close();
  }
});

test('a poll of a stopped monitor leaves unpublished emails to the instance that holds the lease', async () => {
  const { system, failures, outbox } = await withPubSubDown();
  system.gmail.deliver(order(1));
  await system.call('poll');
  await system.rows('update email_monitor_status set is_running = false');
  const HELD =
    "lease_token = gen_random_uuid(), lease_holder = 'other', lease_expires_at = now() + interval '40 s'";
  await system.rows(`update mailboxes set ${HELD}`);
  expect((await system.call('poll')).json).toMatchObject({ outcome: 'stopped' });
  expect(failures()).toHaveLength(1);
  expect(await outbox()).toHaveLength(1);
  expect(await system.rows('select lease_holder from mailboxes')).toEqual([{ lease_holder: 'other' }]);
});

test('a Pub/Sub that accepts connections and does not answer is given up after the timeout', async () => {
  const { env, close } = await startHangingPubSub();
  try {
    const topic = new EmailsTopic(TOPIC, env.PUBSUB_EMULATOR_HOST);
    const { ids, error } = await topic.publish('1', [EMAIL], 50);
    expect(ids).toEqual([]);
    expect([error?.code, error?.message]).toEqual(['emails_topic_unavailable', 'No answer within 50 ms']);
  } finally {
    close();
  }
});

test('the mailboxes of an instance do not wait one after another for a Pub/Sub that does not answer', async () => {
  const { server, env, close } = await startHangingPubSub();
  let nowMs = 0;
  let connections = 0;
  server.on('connection', () => {
    connections += 1;
    nowMs += 4_000;
  });
  try {
    const topic = new EmailsTopic(TOPIC, env.PUBSUB_EMULATOR_HOST, () => nowMs);
    await topic.publish('1', [EMAIL], 100);
    expect(connections).toBe(1);
    const { ids, error } = await topic.publish('2', [EMAIL], 100);
    expect([ids, error?.code, connections]).toEqual([[], 'emails_topic_unavailable', 1]);
    nowMs += 10_000;
    await topic.publish('2', [EMAIL], 100);
    expect(connections).toBe(2);
  } finally {
    close();
  }
});
