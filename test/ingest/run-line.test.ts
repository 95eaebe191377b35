import { describe, expect, test } from 'vitest';
import { insertMailbox } from '../helpers/leased-mailbox.ts';
import { mail, order } from '../helpers/mails.ts';
import type { IngestOptions, TestSystem, TestSystemOptions } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();
const TOPIC = 'projects/orders-project/topics/gmail';
const MINUTE_MS = 60_000;

async function watched(options?: TestSystemOptions): Promise<TestSystem> {
  const system = await createTestSystem(options);
  await system.switchOn();
  await system.ingest();
  return system;
}

/** The `run_finished` line of one more run. */
async function nextLine(system: TestSystem, options?: IngestOptions): Promise<Record<string, unknown>> {
  system.log.length = 0;
  await system.ingest(options);
  return system.log.find((line) => line['event'] === 'run_finished') ?? {};
}

function minutesAgo(minutes: number): Date {
  return new Date(Date.now() - minutes * MINUTE_MS);
}

/** Ledger rows that no run works on: their next attempt is far away. */
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

describe('the line of a run says how long live mail took', () => {
  test('as the longest time from its arrival in Gmail to its commit', async () => {
    const system = await watched();
    for (const minutes of [2, 5, 3])
      system.gmail.deliver(order(minutes), { internalDate: minutesAgo(minutes) });
    const { arrival_to_stored_max_ms: tookMs } = await nextLine(system);
    expect(tookMs).toBeGreaterThanOrEqual(5 * MINUTE_MS);
    expect(tookMs).toBeLessThan(6 * MINUTE_MS);
  });

  test('as no less than nothing when the clock of Gmail is ahead', async () => {
    const system = await watched();
    system.gmail.deliver(mail('Ahead'), { internalDate: minutesAgo(-5) });
    expect(await nextLine(system)).toMatchObject({ stored_count: 1, arrival_to_stored_max_ms: 0 });
  });

  test('and nothing of mail that a listing brought', async () => {
    const system = await createTestSystem();
    system.gmail.deliver(mail('Before the first start'));
    expect(await nextLine(system)).toMatchObject({ stored_count: 1, arrival_to_stored_max_ms: null });
  });

  test('and nothing where only the mail of a label counts: it may be given later', async () => {
    const system = await createTestSystem({ env: { GMAIL_LABEL_ID: 'Label_1' } });
    const label = system.gmail.createLabel('Orders');
    await system.ingest();
    system.gmail.deliver(mail('Order'), { filterLabelIds: [label] });
    expect(await nextLine(system)).toMatchObject({ stored_count: 1, arrival_to_stored_max_ms: null });
  });
});

describe('the line of a run says what is left', () => {
  test('dead messages of its own mailbox, with nothing new', async () => {
    const system = await watched();
    expect(await nextLine(system)).toMatchObject({ dead_total: 0, pending_total: 0, live_waiting_s: null });
    await dead(system, 1, 3);
    await dead(system, await insertMailbox(system.db), 5);
    expect(await nextLine(system)).toMatchObject({ dead_count: 0, dead_total: 3 });
  });

  test('counted up to a thousand', async () => {
    const system = await watched();
    await dead(system, 1, 1_001);
    await waiting(system, { priority: 1, count: 1_001, age: '1 hour' });
    expect(await nextLine(system, { trigger: 'push' })).toMatchObject({
      dead_total: 1_000,
      pending_total: 1_000,
    });
  });

  test('how long live mail has waited, whatever backlog waits beside it', async () => {
    const system = await watched();
    await waiting(system, { priority: 1, count: 1_000, age: '9 hours' });
    expect(await nextLine(system, { trigger: 'push' })).toMatchObject({ live_waiting_s: null });
    await waiting(system, { priority: 0, count: 1, age: '10 minutes' });
    await waiting(system, { priority: 0, count: 1, age: '2 hours' });
    const { live_waiting_s: seconds } = await nextLine(system, { trigger: 'push' });
    expect(seconds).toBeGreaterThanOrEqual(7_200);
    expect(seconds).toBeLessThan(7_260);
  });

  test('what the last reconciliation missed', async () => {
    const system = await createTestSystem();
    await system.switchOn();
    expect(await nextLine(system, { trigger: 'push' })).toMatchObject({ missing_total: null });
    await system.rows(
      `insert into reconciliations
         (mailbox_id, window_begins_at, is_full, query, listed_at, evaluated_at, gmail_count, missing_count)
       values (1, now(), false, '', now(), now(), 2, 2)`,
    );
    expect(await nextLine(system, { trigger: 'push' })).toMatchObject({ missing_total: 2 });
  });
});

describe('the line of a scheduled run says how long the watch lasts', () => {
  const scheduled = { trigger: 'schedule' } as const;
  const env = { GMAIL_PUBSUB_TOPIC: TOPIC };

  test('in seconds', async () => {
    const system = await watched({ env });
    await nextLine(system, scheduled);
    await system.rows("update mailbox_watches set expires_at = now() + interval '3 days'");
    const { watch_remaining_s: seconds } = await nextLine(system, scheduled);
    expect(seconds).toBeGreaterThan(3 * 86_400 - 60);
    expect(seconds).toBeLessThanOrEqual(3 * 86_400);
  });

  test('as nothing when Gmail refuses it', async () => {
    const system = await watched({ env });
    system.gmail.faults.add({ kind: 'status', status: 403, method: 'watch' });
    expect(await nextLine(system, scheduled)).toMatchObject({ outcome: 'completed', watch_remaining_s: 0 });
  });

  test('as nothing when it is on another topic, or has ended', async () => {
    const system = await watched({ env });
    await nextLine(system, scheduled);
    system.gmail.faults.add({ kind: 'status', status: 403, method: 'watch' });
    await system.rows("update mailbox_watches set topic = 'projects/orders-project/topics/other'");
    expect(await nextLine(system, scheduled)).toMatchObject({ watch_remaining_s: 0 });
    await system.rows("update mailbox_watches set topic = $1::text, expires_at = now() - interval '1 hour'", [
      TOPIC,
    ]);
    expect(await nextLine(system, scheduled)).toMatchObject({ watch_remaining_s: 0 });
  });

  test('and not without a topic, nor when somebody asks for a cycle of a stopped monitor', async () => {
    const without = await watched();
    expect(await nextLine(without, scheduled)).toMatchObject({ watch_remaining_s: null });
    const stopped = await createTestSystem({ env });
    expect(await nextLine(stopped)).toMatchObject({ outcome: 'completed', watch_remaining_s: null });
  });
});

test('a run that knows no mailbox yet says nothing of one', async () => {
  const system = await createTestSystem();
  system.gmail.faults.add({ kind: 'status', status: 503, method: 'getProfile' });
  const line = await nextLine(system);
  expect(line).toMatchObject({ outcome: 'failed' });
  expect(line['dead_total'] ?? null).toBeNull();
});
