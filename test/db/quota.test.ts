import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  clearPause,
  pauseSpending,
  type Reservation,
  releaseUnits,
  reserveUnits,
} from '../../shared/db/quota.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

/** The capacity of a bucket under 6,000 units per minute. */
const CAPACITY = 5_900;

async function insertMailbox(): Promise<number> {
  const { rows } = await db.query<{ id: number }>(
    'insert into mailboxes (email_address, cursor_history_id) values ($1::text, 1) returning id',
    [`${randomUUID()}@example.com`],
  );
  return rows[0]?.id ?? 0;
}

/** A mailbox whose bucket held `units` at a time `secondsAgo`. */
async function mailboxWith(units: number, secondsAgo = 0): Promise<number> {
  const mailboxId = await insertMailbox();
  await db.query(
    `insert into mailbox_quota (mailbox_id, available_units, refilled_at)
     values ($1::integer, $2::float8, clock_timestamp() - $3::float8 * interval '1 second')`,
    [mailboxId, units, secondsAgo],
  );
  return mailboxId;
}

async function reserve(
  mailboxId: number,
  least: number,
  most = least,
  unitsPerMinute = 6_000,
): Promise<Reservation> {
  return await reserveUnits(db, mailboxId, { least, most, unitsPerMinute });
}

/** Ends the pause now. */
async function endPause(mailboxId: number): Promise<void> {
  await db.query('update mailbox_quota set paused_until = clock_timestamp() where mailbox_id = $1', [
    mailboxId,
  ]);
}

async function databaseMs(): Promise<number> {
  const { rows } = await db.query<{ ms: number }>(
    'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
  );
  return rows[0]?.ms ?? Number.NaN;
}

async function unitsInUse(mailboxId: number): Promise<number | undefined> {
  const { rows } = await db.query<{ units: number }>(
    'select units_in_use(q, 6000) as units from mailbox_quota q where q.mailbox_id = $1',
    [mailboxId],
  );
  return rows[0]?.units;
}

describe('reserveUnits', () => {
  test('grants the requested maximum while the bucket holds it', async () => {
    expect(await reserve(await mailboxWith(CAPACITY), 20, 320)).toEqual({
      units: 320,
      waitMs: 0,
      pauseSeconds: 0,
    });
  });

  test('grants as many whole calls as the bucket holds', async () => {
    expect((await reserve(await mailboxWith(59), 20, 320)).units).toBe(40);
  });

  test('reserveUnits creates a full bucket for a mailbox without one', async () => {
    expect((await reserve(await insertMailbox(), 1, 9_000)).units).toBe(CAPACITY);
  });

  test('grants refilled units, up to the capacity', async () => {
    const { units } = await reserve(await mailboxWith(0, 10), 1, 9_000);
    expect(units).toBeGreaterThanOrEqual(1_000);
    expect(units).toBeLessThan(1_200);
    expect((await reserve(await mailboxWith(0, 86_400), 1, 9_000)).units).toBe(CAPACITY);
  });

  test('grants nothing and returns the wait until the minimum has refilled', async () => {
    const mailboxId = await mailboxWith(0);
    const { units, waitMs } = await reserve(mailboxId, 20, 320);
    expect(units).toBe(0);
    expect(waitMs).toBeGreaterThan(100);
    expect(waitMs).toBeLessThanOrEqual(202);
  });

  test('a reservation that is not granted does not slow the refill', async () => {
    const mailboxId = await mailboxWith(0, 0.1);
    expect((await reserve(mailboxId, 1_000)).units).toBe(0);
    const { rows } = await db.query<{ units: number }>(
      'select refilled_units(q, 6000, clock_timestamp()) as units from mailbox_quota q where q.mailbox_id = $1',
      [mailboxId],
    );
    expect(rows[0]?.units).toBeGreaterThanOrEqual(10);
  });

  test('grants a call that costs more than the capacity from a full bucket, which then refills from below zero', async () => {
    const mailboxId = await mailboxWith(99, 60);
    expect((await reserve(mailboxId, 100, 100, 100)).units).toBe(100);
    const { units, waitMs } = await reserve(mailboxId, 1, 1, 100);
    expect(units).toBe(0);
    expect(waitMs).toBeGreaterThan(1_000);
  });

  test('a call that costs more than the capacity waits until the bucket is full', async () => {
    const mailboxId = await mailboxWith(97);
    const { units, waitMs } = await reserve(mailboxId, 100, 100, 100);
    expect(units).toBe(0);
    expect(waitMs).toBeLessThanOrEqual(801);
  });

  test('reserveUnits applies a lower budget at once', async () => {
    expect((await reserve(await mailboxWith(CAPACITY), 1, 9_000, 600)).units).toBe(590);
  });

  test('concurrent reservations never get more than the bucket holds', async () => {
    const mailboxId = await insertMailbox();
    const startedMs = await databaseMs();
    const granted = await Promise.all(
      Array.from({ length: 60 }, async () => (await reserve(mailboxId, 10, 70, 1_000)).units),
    );
    const refilledUnits = ((await databaseMs()) - startedMs) / 60;
    const units = granted.reduce((sum, one) => sum + one, 0);
    expect(units).toBeGreaterThan(970);
    expect(units).toBeLessThanOrEqual(984 + refilledUnits);
  });

  test('a reservation counts units that refilled while it waited for the row', async () => {
    const mailboxId = await mailboxWith(0);
    let waiting: Promise<Reservation> | undefined;
    await db.transaction(async (tx) => {
      await tx.query('select from mailbox_quota where mailbox_id = $1 for update', [mailboxId]);
      waiting = reserve(mailboxId, 20, 20, 1_200_000);
      await untilBlocked();
      // The missing tenth of a unit refills in 5 µs, but only after the statement began to wait.
      await tx.query(
        `update mailbox_quota
         set available_units = 19.9, refilled_at = clock_timestamp()
         where mailbox_id = $1`,
        [mailboxId],
      );
    });
    expect((await waiting)?.units).toBe(20);
  });

  test('quota functions do not wait for the mailbox row', async () => {
    const mailboxId = await mailboxWith(CAPACITY);
    await db.transaction(async (tx) => {
      await tx.query('select from mailboxes where id = $1 for update', [mailboxId]);
      expect((await reserve(mailboxId, 20)).units).toBe(20);
      await releaseUnits(db, mailboxId, 20, 6_000);
      await pauseSpending(db, mailboxId, 0);
      await clearPause(db, mailboxId, 1);
    });
  });

  test('two mailboxes have separate buckets', async () => {
    const [empty, full] = [await mailboxWith(0), await mailboxWith(CAPACITY)];
    expect((await reserve(empty, 1_000)).units).toBe(0);
    expect((await reserve(full, 1_000)).units).toBe(1_000);
  });
});

/** Until one statement of this database waits for a lock. */
async function untilBlocked(): Promise<void> {
  for (;;) {
    const { rowCount } = await db.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    if (rowCount > 0) return;
  }
}

describe('releaseUnits', () => {
  test('released units are available again', async () => {
    const mailboxId = await mailboxWith(0);
    await releaseUnits(db, mailboxId, 500, 6_000);
    const { units } = await reserve(mailboxId, 1, 9_000);
    expect(units).toBeGreaterThanOrEqual(500);
    expect(units).toBeLessThan(700);
  });

  test('released units never fill the bucket above its capacity', async () => {
    const mailboxId = await mailboxWith(CAPACITY);
    await releaseUnits(db, mailboxId, 500, 6_000);
    expect((await reserve(mailboxId, 1, 9_000)).units).toBe(CAPACITY);
  });
});

describe('pauseSpending and clearPause', () => {
  test('a rate limit pauses all reservations for a second', async () => {
    const mailboxId = await mailboxWith(CAPACITY);
    expect(await pauseSpending(db, mailboxId, 0)).toBe(1);
    const { units, waitMs } = await reserve(mailboxId, 20);
    expect(units).toBe(0);
    expect(waitMs).toBeGreaterThan(500);
    expect(waitMs).toBeLessThanOrEqual(1_001);
  });

  test('a reservation waits for the refill when that takes longer than the pause', async () => {
    const mailboxId = await mailboxWith(0);
    await pauseSpending(db, mailboxId, 0);
    expect((await reserve(mailboxId, 1_000)).waitMs).toBeGreaterThan(5_000);
  });

  test('one call follows a pause, and another after the same pause when the first neither succeeded nor was limited', async () => {
    const mailboxId = await mailboxWith(CAPACITY);
    await pauseSpending(db, mailboxId, 0);
    await endPause(mailboxId);
    expect(await reserve(mailboxId, 20, 320)).toEqual({ units: 20, waitMs: 0, pauseSeconds: 1 });
    expect((await reserve(mailboxId, 20, 320)).units).toBe(0);
    await endPause(mailboxId);
    expect((await reserve(mailboxId, 20, 320)).units).toBe(20);
  });

  test('a pause ends when its one call succeeds', async () => {
    const mailboxId = await mailboxWith(CAPACITY);
    await pauseSpending(db, mailboxId, 0);
    await endPause(mailboxId);
    const { pauseSeconds } = await reserve(mailboxId, 20, 320);
    await clearPause(db, mailboxId, pauseSeconds);
    expect(await reserve(mailboxId, 20, 320)).toEqual({ units: 320, waitMs: 0, pauseSeconds: 0 });
  });

  test('repeated rate limits double the pause up to 16 s, and a success resets it to 1 s', async () => {
    const mailboxId = await mailboxWith(CAPACITY);
    const pauses: (number | null)[] = [];
    for (let n = 0; n < 7; n += 1) {
      await endPause(mailboxId);
      pauses.push(await pauseSpending(db, mailboxId, (await reserve(mailboxId, 1)).pauseSeconds));
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 16, 16]);
    await endPause(mailboxId);
    await clearPause(db, mailboxId, (await reserve(mailboxId, 1)).pauseSeconds);
    expect(await pauseSpending(db, mailboxId, 0)).toBe(1);
  });

  test('rate limits of concurrent calls start one pause', async () => {
    const mailboxId = await mailboxWith(CAPACITY);
    const pauses = await Promise.all([1, 2, 3, 4].map(async () => await pauseSpending(db, mailboxId, 0)));
    expect(pauses.filter((seconds) => seconds !== null)).toEqual([1]);
  });

  test('a call that began before a pause does not end it', async () => {
    const mailboxId = await mailboxWith(CAPACITY);
    await pauseSpending(db, mailboxId, 0);
    await clearPause(db, mailboxId, 0);
    expect((await reserve(mailboxId, 20)).units).toBe(0);
  });
});

describe('units_in_use', () => {
  test('units in use are reserved units that have not refilled', async () => {
    const mailboxId = await mailboxWith(CAPACITY);
    expect(await unitsInUse(mailboxId)).toBe(0);
    await reserve(mailboxId, 20, 2_000);
    expect(await unitsInUse(mailboxId)).toBeGreaterThan(1_800);
    expect(await unitsInUse(mailboxId)).toBeLessThanOrEqual(2_000);
    await db.query(
      `update mailbox_quota set refilled_at = refilled_at - interval '1 minute' where mailbox_id = $1`,
      [mailboxId],
    );
    expect(await unitsInUse(mailboxId)).toBe(0);
  });
});
