import { describe, expect, test } from 'vitest';
import { requeue, storeEmails, workerOf } from '../helpers/email-queue.ts';
import { insertMailbox } from '../helpers/leased-mailbox.ts';
import { mail, order } from '../helpers/test-emails.ts';
import type { IngestOptions, TestSystem } from '../helpers/test-system.ts';
import { useIngestSystems } from './scenario.ts';

const { createTestSystem, runningSystem } = useIngestSystems();
const TOPIC = 'projects/orders-project/topics/gmail';
const MINUTE_MS = 60_000;

/** Makes a run. @returns its `run_finished` line */
async function nextLine(system: TestSystem, options?: IngestOptions): Promise<Record<string, unknown>> {
  system.log.length = 0;
  await system.ingest(options);
  return system.log.find((line) => line['event'] === 'run_finished') ?? {};
}

function minutesAgo(minutes: number): Date {
  return new Date(Date.now() - minutes * MINUTE_MS);
}

/** Inserts ledger rows that no run processes, because their next attempt is a day away. */
async function waiting(
  system: TestSystem,
  rows: { priority: 0 | 1; count: number; age: string },
): Promise<void> {
  await system.rows(
    `insert into email_ledger (mailbox_id, gmail_message_id, source, priority, discovered_at, next_attempt_at)
     select 1, gen_random_uuid()::text, 'history', $1::smallint, now() - $2::interval, now() + interval '1 day'
     from generate_series(1, $3::integer)`,
    [rows.priority, rows.age, rows.count],
  );
}

async function dead(system: TestSystem, mailboxId: number, count: number): Promise<void> {
  await system.rows(
    `insert into email_ledger (mailbox_id, gmail_message_id, source, state)
     select $1::integer, gen_random_uuid()::text, 'history', 'dead'
     from generate_series(1, $2::integer)`,
    [mailboxId, count],
  );
}

describe('arrival_to_stored_max_ms', () => {
  test('run_finished reports the longest time of a live message from its arrival in Gmail to its commit', async () => {
    const system = await runningSystem();
    for (const minutes of [2, 5, 3])
      system.gmail.deliver(order(minutes), { internalDate: minutesAgo(minutes) });
    const { arrival_to_stored_max_ms: tookMs } = await nextLine(system);
    expect(tookMs).toBeGreaterThanOrEqual(5 * MINUTE_MS);
    expect(tookMs).toBeLessThan(6 * MINUTE_MS);
  });

  test("run_finished reports a latency of zero when Gmail's clock is ahead", async () => {
    const system = await runningSystem();
    system.gmail.deliver(mail('Ahead'), { internalDate: minutesAgo(-5) });
    expect(await nextLine(system)).toMatchObject({ stored_count: 1, arrival_to_stored_max_ms: 0 });
  });

  test('run_finished reports no latency of listed messages', async () => {
    const system = await createTestSystem();
    system.gmail.deliver(mail('Before the first start'));
    expect(await nextLine(system)).toMatchObject({ stored_count: 1, arrival_to_stored_max_ms: null });
  });

  test('run_finished reports no latency with a configured label, because messages can get it later', async () => {
    const system = await createTestSystem({ env: { GMAIL_LABEL_ID: 'Label_1' } });
    const label = system.gmail.createLabel('Orders');
    await system.ingest();
    system.gmail.deliver(mail('Order'), { filterLabelIds: [label] });
    expect(await nextLine(system)).toMatchObject({ stored_count: 1, arrival_to_stored_max_ms: null });
  });
});

describe('totals', () => {
  test('run_finished reports the dead messages of its own mailbox in a run without new messages', async () => {
    const system = await runningSystem();
    expect(await nextLine(system)).toMatchObject({ dead_total: 0, pending_total: 0, live_waiting_s: null });
    await dead(system, 1, 3);
    await dead(system, await insertMailbox(system.db), 5);
    expect(await nextLine(system)).toMatchObject({ dead_count: 0, dead_total: 3 });
  });

  test('run_finished counts totals up to one thousand', async () => {
    const system = await runningSystem();
    await dead(system, 1, 1_001);
    await waiting(system, { priority: 1, count: 1_001, age: '1 hour' });
    expect(await nextLine(system, { trigger: 'push' })).toMatchObject({
      dead_total: 1_000,
      pending_total: 1_000,
    });
  });

  test('run_finished reports how long the oldest live message has waited, whatever the backlog', async () => {
    const system = await runningSystem();
    await waiting(system, { priority: 1, count: 1_000, age: '9 hours' });
    expect(await nextLine(system, { trigger: 'push' })).toMatchObject({ live_waiting_s: null });
    await waiting(system, { priority: 0, count: 1, age: '10 minutes' });
    await waiting(system, { priority: 0, count: 1, age: '2 hours' });
    const { live_waiting_s: seconds } = await nextLine(system, { trigger: 'push' });
    expect(seconds).toBeGreaterThanOrEqual(7_200);
    expect(seconds).toBeLessThan(7_260);
  });

  test('run_finished reports how many messages the last reconciliation found missing', async () => {
    const system = await createTestSystem();
    await system.turnOn();
    expect(await nextLine(system, { trigger: 'push' })).toMatchObject({ missing_total: null });
    await system.rows(
      `insert into reconciliations
         (mailbox_id, window_begins_at, is_full, query, listed_at, evaluated_at, gmail_count, missing_count)
       values (1, now(), false, '', now(), now(), 2, 2)`,
    );
    expect(await nextLine(system, { trigger: 'push' })).toMatchObject({ missing_total: 2 });
  });
});

describe('watch_remaining_s', () => {
  const scheduled = { trigger: 'schedule' } as const;
  const env = { GMAIL_PUBSUB_TOPIC: TOPIC };

  test('run_finished of a scheduled run reports the remaining seconds of the watch', async () => {
    const system = await runningSystem({ env });
    await nextLine(system, scheduled);
    await system.rows("update mailbox_watches set expires_at = now() + interval '3 days'");
    const { watch_remaining_s: seconds } = await nextLine(system, scheduled);
    expect(seconds).toBeGreaterThan(3 * 86_400 - 60);
    expect(seconds).toBeLessThanOrEqual(3 * 86_400);
  });

  test('run_finished reports no remaining watch time when Gmail rejects the watch', async () => {
    const system = await runningSystem({ env });
    system.gmail.faults.add({ kind: 'status', status: 403, method: 'watch' });
    expect(await nextLine(system, scheduled)).toMatchObject({ outcome: 'completed', watch_remaining_s: 0 });
  });

  test('run_finished reports no remaining watch time when the watch is on another topic or has ended', async () => {
    const system = await runningSystem({ env });
    await nextLine(system, scheduled);
    system.gmail.faults.add({ kind: 'status', status: 403, method: 'watch' });
    await system.rows("update mailbox_watches set topic = 'projects/orders-project/topics/other'");
    expect(await nextLine(system, scheduled)).toMatchObject({ watch_remaining_s: 0 });
    await system.rows("update mailbox_watches set topic = $1::text, expires_at = now() - interval '1 hour'", [
      TOPIC,
    ]);
    expect(await nextLine(system, scheduled)).toMatchObject({ watch_remaining_s: 0 });
  });

  test('run_finished omits the watch without a topic and in a manual run of a stopped monitor', async () => {
    const without = await runningSystem();
    expect(await nextLine(without, scheduled)).toMatchObject({ watch_remaining_s: null });
    const stopped = await createTestSystem({ env });
    expect(await nextLine(stopped)).toMatchObject({ outcome: 'completed', watch_remaining_s: null });
  });
});

describe('queues of consumers', () => {
  const push = { trigger: 'push' } as const;

  async function queuedAgo(system: TestSystem, consumer: string, id: number, age: string): Promise<void> {
    await system.rows(
      'update email_queue set queued_at = now() - $3::interval where consumer = $1 and email_id = $2',
      [consumer, id, age],
    );
  }

  test('run_finished reports no waiting email without a consumer, and a wait of zero when none waits', async () => {
    const system = await runningSystem();
    await storeEmails(system.db, 1);
    expect(await nextLine(system, push)).toMatchObject({
      queue_oldest_s: null,
      queue_dead_total: 0,
      // Other tests use the same server.
      notification_queue_usage: expect.closeTo(0, 1),
    });
    const [id = 0] = await workerOf(system.db, 'extraction').claim();
    await workerOf(system.db, 'extraction').complete(id);
    expect(await nextLine(system, push)).toMatchObject({ queue_oldest_s: 0, queue_dead_total: 0 });
  });

  test('run_finished reports how long the oldest email of all consumers has waited, claimed or not', async () => {
    const system = await runningSystem();
    const [first = 0, second = 0] = await storeEmails(system.db, 2);
    await workerOf(system.db, 'archive').claim();
    await workerOf(system.db, 'extraction').claim();
    await queuedAgo(system, 'archive', second, '1 hour');
    await queuedAgo(system, 'extraction', first, '2 hours');
    const { queue_oldest_s: seconds } = await nextLine(system, push);
    expect(seconds).toBeGreaterThanOrEqual(7_200);
    expect(seconds).toBeLessThan(7_260);
  });

  test('run_finished counts dead emails of all consumers, which no longer wait', async () => {
    const system = await runningSystem();
    const [first = 0] = await storeEmails(system.db, 2);
    for (const consumer of ['archive', 'extraction']) await workerOf(system.db, consumer).claim(2);
    await system.rows("update email_queue set state = 'dead', queued_at = now() - interval '1 day'");
    expect(await nextLine(system, push)).toMatchObject({ queue_oldest_s: 0, queue_dead_total: 4 });
    await requeue(system.db, 'archive', first);
    expect(await nextLine(system, push)).toMatchObject({ queue_dead_total: 3 });
    await system.rows("delete from consumers where name = 'extraction'");
    expect(await nextLine(system, push)).toMatchObject({ queue_dead_total: 1 });
  });
});

test('run_finished reports no totals when the run has not identified its mailbox', async () => {
  const system = await createTestSystem();
  system.gmail.faults.add({ kind: 'status', status: 503, method: 'getProfile' });
  const line = await nextLine(system);
  expect(line).toMatchObject({ outcome: 'failed' });
  expect(line['dead_total'] ?? null).toBeNull();
});
