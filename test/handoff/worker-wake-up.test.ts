/** The notification that wakes workers: after each commit, seldom, and never at the cost of a run. */
import pg from 'pg';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Queryable } from '../../shared/db/database.ts';
import { AppError } from '../../shared/errors.ts';
import { WorkerWakeUp } from '../../shared/handoff/worker-wake-up.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { deliverOrders, useIngestSystems } from '../ingest/scenario.ts';

const { startedSystem } = useIngestSystems();

let listener: pg.Client | null = null;
afterEach(async () => {
  await listener?.end();
  listener = null;
  vi.useRealTimers();
});

/** @returns for each notification, the number of emails that its receiver could read */
async function listen(system: TestSystem): Promise<Promise<number>[]> {
  const client = new pg.Client({ connectionString: system.db.url });
  await client.connect();
  listener = client;
  const seen: Promise<number>[] = [];
  client.on('notification', () => {
    const count = client
      .query('select count(*)::integer as n from incoming_emails')
      .then(({ rows }) => rows[0].n);
    // A test that only counts notifications may end, with the connection, before the answer.
    count.catch(() => undefined);
    seen.push(count);
  });
  await client.query('listen email_stored');
  return seen;
}

describe('a run that stores emails', () => {
  test('a worker that is woken reads the email that woke it', async () => {
    const system = await startedSystem();
    const seen = await listen(system);
    deliverOrders(system, 1);
    await system.ingest();
    await expect.poll(() => seen.length).toBe(1);
    expect(await seen[0]).toBe(1);
  });

  test('the last notification follows the last commit', async () => {
    const system = await startedSystem();
    const seen = await listen(system);
    deliverOrders(system, 60);
    await system.ingest();
    await expect.poll(async () => (await Promise.all(seen)).at(-1)).toBe(60);
  });

  test('an email that already was stored wakes no worker', async () => {
    const system = await startedSystem();
    deliverOrders(system, 1);
    await system.ingest();
    const seen = await listen(system);
    await system.ingest();
    // Notifications arrive in order, so no earlier one is outstanding.
    await system.db.query("select pg_notify('email_stored', '')");
    await expect.poll(() => seen.length).toBe(1);
  });
});

test('commits at one moment send one notification, and the next one waits until 50 ms after it', async () => {
  vi.useFakeTimers();
  const startMs = Date.now();
  const sentMs: number[] = [];
  const recording = {
    query: async () => {
      sentMs.push(Date.now() - startMs);
      return { rows: [], rowCount: 0 };
    },
  } as Queryable;
  const wakeUp = new WorkerWakeUp(recording, () => Date.now());
  for (let n = 0; n < 20; n += 1) wakeUp.onStored();
  await vi.advanceTimersByTimeAsync(10);
  expect(sentMs).toEqual([0]);
  for (let n = 0; n < 20; n += 1) wakeUp.onStored();
  await vi.advanceTimersByTimeAsync(39);
  expect(sentMs).toEqual([0]);
  await vi.advanceTimersByTimeAsync(200);
  expect(sentMs).toEqual([0, 50]);
  await wakeUp.finish();
  expect(sentMs).toEqual([0, 50]);
});

test('a notification that fails is sent again at the end of the run, and its failure does not fail the run', async () => {
  const sent: string[] = [];
  const failFirst = {
    query: async (sql: { readonly text: string }) => {
      sent.push(sql.text);
      if (sent.length === 1) throw new AppError('database_unavailable', 'The notification queue is full.');
      return { rows: [], rowCount: 0 };
    },
  } as Queryable;
  const wakeUp = new WorkerWakeUp(failFirst, () => 0);
  wakeUp.onStored();
  await expect.poll(() => sent.length).toBe(1);
  await wakeUp.finish();
  expect(sent).toHaveLength(2);
  await wakeUp.finish();
  expect(sent).toHaveLength(2);
});
