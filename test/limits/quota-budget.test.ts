import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../shared/db/database.ts';
import { Deadline } from '../../shared/deadline.ts';
import { AppError } from '../../shared/errors.ts';
import { QuotaBudget, type QuotaBudgetOptions } from '../../shared/limits/quota-budget.ts';
import { startVirtualTime, type VirtualTime } from './virtual-time.ts';

let time: VirtualTime;
beforeAll(async () => {
  time = await startVirtualTime();
});
afterAll(async () => await time.close());

/** Starts a run on a new mailbox, or on the given one. */
async function startRun(options: Partial<QuotaBudgetOptions> & { readonly runMs?: number } = {}) {
  const { rows } = await time.db.query<{ id: number }>(
    'insert into mailboxes (email_address, cursor_history_id) values ($1::text, 1) returning id',
    [`${randomUUID()}@example.com`],
  );
  const mailboxId = options.mailboxId ?? rows[0]?.id ?? 0;
  if (options.mailboxId === undefined)
    await time.db.query('insert into mailbox_quota (mailbox_id, available_units) values ($1, 5900)', [
      mailboxId,
    ]);
  const run = { mailboxId, statementCount: 0, isDatabaseDown: false, beforeStatement: Promise.resolve() };
  const query: Database['query'] = async (sql, parameters) => {
    if (run.isDatabaseDown) throw new AppError('database_unavailable', 'The database is down.');
    run.statementCount += 1;
    await run.beforeStatement;
    return await time.db.query(sql, parameters);
  };
  const deadline = Deadline.after(options.runMs ?? 60_000, time.clock);
  const budget = new QuotaBudget({
    db: { query },
    unitsPerMinute: 6_000,
    deadline,
    sleep: time.sleep,
    ...options,
    mailboxId,
  });
  return Object.assign(run, { budget });
}

async function setAvailable(mailboxId: number, units: number): Promise<void> {
  await time.db.query(
    `update mailbox_quota
     set available_units = $2::float8, refilled_at = $3::timestamptz
     where mailbox_id = $1::integer`,
    [mailboxId, units, new Date(Date.UTC(2026, 10, 1) + time.clock())],
  );
}

async function availableUnits(mailboxId: number): Promise<number> {
  const { rows } = await time.db.query<{ units: number }>(
    'select round(available_units)::integer as units from mailbox_quota where mailbox_id = $1',
    [mailboxId],
  );
  return rows[0]?.units ?? Number.NaN;
}

describe('QuotaBudget', () => {
  test('reserves the two units of an idle poll with one statement', async () => {
    const run = await startRun();
    await run.budget.acquire(2);
    await run.budget.onSuccess();
    await run.budget.finish();
    expect([run.statementCount, run.budget.spentUnits]).toEqual([1, 2]);
    expect(await availableUnits(run.mailboxId)).toBe(5_898);
  });

  test('releases the units that a batch did not spend and does not count them', async () => {
    const run = await startRun();
    await run.budget.reserve(20, 320);
    await run.budget.release(120);
    expect(run.budget.spentUnits).toBe(200);
    expect(await availableUnits(run.mailboxId)).toBe(5_700);
  });

  test('runs no statement when there is nothing to release', async () => {
    const run = await startRun();
    await run.budget.release(0);
    expect(run.statementCount).toBe(0);
  });

  test('waits until there are units for one call', async () => {
    const run = await startRun();
    await setAvailable(run.mailboxId, 0);
    const startedMs = time.clock();
    expect(await time.run(run.budget.reserve(20, 320))).toBe(20);
    expect(time.clock() - startedMs).toBeGreaterThanOrEqual(200);
    expect(time.clock() - startedMs).toBeLessThan(210);
  });

  test('serves waiting calls in FIFO order', async () => {
    const run = await startRun();
    await setAvailable(run.mailboxId, 0);
    const served: number[] = [];
    await time.run(
      Promise.all(
        [100, 2, 20].map(async (units) => await run.budget.acquire(units).then(() => served.push(units))),
      ),
    );
    expect(served).toEqual([100, 2, 20]);
  });

  test('ends with quota_used_up without waiting when the deadline comes before the units', async () => {
    const run = await startRun({ runMs: 150 });
    await setAvailable(run.mailboxId, 0);
    const startedMs = time.clock();
    await expect(time.run(run.budget.acquire(20))).rejects.toMatchObject({ code: 'quota_used_up' });
    expect(time.clock()).toBe(startedMs);
    expect(run.budget.spentUnits).toBe(0);
    // There are still units for a cheaper call.
    await time.run(run.budget.acquire(2));
  });

  test('a database error fails a reservation but not a release', async () => {
    const run = await startRun();
    await run.budget.acquire(2);
    run.isDatabaseDown = true;
    await run.budget.release(2);
    expect(await run.budget.onRateLimited()).toBeNull();
    await run.budget.finish();
    await expect(run.budget.acquire(2)).rejects.toMatchObject({ code: 'database_unavailable' });
  });
});

describe('rate limit', () => {
  test('several rate limits of calls in flight pause spending once, with one statement', async () => {
    const run = await startRun();
    await run.budget.reserve(20, 100);
    expect(await run.budget.onRateLimited()).toBe(1);
    expect([await run.budget.onRateLimited(), await run.budget.onRateLimited()]).toEqual([null, null]);
    expect(run.statementCount).toBe(2);
  });

  test('a rate limit pauses the next reservation even if the caller does not wait until the pause is set', async () => {
    const run = await startRun();
    await run.budget.acquire(20);
    const startedMs = time.clock();
    void run.budget.onRateLimited();
    await time.run(run.budget.acquire(20));
    expect(time.clock() - startedMs).toBeGreaterThanOrEqual(1_000);
    void run.budget.onSuccess();
    expect(await time.run(run.budget.reserve(20, 320))).toBe(320);
  });

  test('the end of a run waits until the pause is stored', async () => {
    const run = await startRun();
    await run.budget.acquire(20);
    const stored = Promise.withResolvers<void>();
    run.beforeStatement = stored.promise;
    void run.budget.onRateLimited();
    let hasFinished = false;
    const finished = run.budget.finish().then(() => {
      hasFinished = true;
    });
    await new Promise(setImmediate);
    expect(hasFinished).toBe(false);
    stored.resolve();
    await finished;
    const { rows } = await time.db.query('select pause_seconds from mailbox_quota where mailbox_id = $1', [
      run.mailboxId,
    ]);
    expect(rows).toEqual([{ pause_seconds: 1 }]);
  });

  test('a rate limit pauses other instances too', async () => {
    const run = await startRun();
    const other = await startRun({ mailboxId: run.mailboxId });
    await run.budget.acquire(20);
    await run.budget.onRateLimited();
    const startedMs = time.clock();
    await time.run(other.budget.acquire(20));
    expect(time.clock() - startedMs).toBeGreaterThanOrEqual(1_000);
  });

  test('a rate limit is followed by a single call, whose success ends the pause within 250 ms', async () => {
    const run = await startRun();
    await run.budget.acquire(20);
    for (let n = 0; n < 5; n += 1) {
      await run.budget.onRateLimited();
      expect(await time.run(run.budget.reserve(20, 320))).toBe(20);
    }
    const startedMs = time.clock();
    const next = run.budget.reserve(20, 320);
    await time.run(Promise.all([next, time.sleep(50).then(async () => await run.budget.onSuccess())]));
    expect(await next).toBe(320);
    expect(time.clock() - startedMs).toBeLessThanOrEqual(251);
  });

  test('a single call that is released unspent does not delay the next one, and the pause still doubles', async () => {
    const run = await startRun();
    await run.budget.acquire(20);
    for (let n = 0; n < 5; n += 1) {
      await run.budget.onRateLimited();
      expect(await time.run(run.budget.reserve(20, 320))).toBe(20);
    }
    await run.budget.release(20);
    const startedMs = time.clock();
    expect(await time.run(run.budget.reserve(20, 320))).toBe(20);
    expect(time.clock() - startedMs).toBe(0);
    expect(await run.budget.onRateLimited()).toBe(16);
  });

  test('a rate limit does not end when a call that was in flight with the limited one succeeds', async () => {
    const run = await startRun();
    await run.budget.reserve(20, 40);
    await run.budget.onRateLimited();
    await run.budget.onSuccess();
    const startedMs = time.clock();
    expect(await time.run(run.budget.reserve(20, 320))).toBe(20);
    expect(time.clock() - startedMs).toBeGreaterThanOrEqual(1_000);
  });

  test('doubles the pause when the single call after it is rate-limited', async () => {
    const run = await startRun();
    await run.budget.acquire(20);
    const pauses: (number | null)[] = [];
    for (let n = 0; n < 3; n += 1) {
      pauses.push(await run.budget.onRateLimited());
      await time.run(run.budget.acquire(20));
    }
    expect(pauses).toEqual([1, 2, 4]);
  });

  test('a rate limit of an earlier run limits the next run to a single call until it succeeds', async () => {
    const run = await startRun();
    await run.budget.acquire(20);
    await run.budget.onRateLimited();
    await time.run(time.sleep(60_000));
    const next = await startRun({ mailboxId: run.mailboxId });
    await next.budget.acquire(2);
    expect(await availableUnits(run.mailboxId)).toBe(5_898);
    await next.budget.onSuccess();
    expect(await next.budget.reserve(20, 320)).toBe(320);
    await next.budget.onSuccess();
    expect(next.statementCount).toBe(3);
  });
});
