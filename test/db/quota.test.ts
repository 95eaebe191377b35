import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Fence } from '../../shared/db/lease.ts';
import { noteRefusal, returnQuota, takeQuota } from '../../shared/db/quota.ts';
import { leasedMailbox, mailboxRow } from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

async function take(fence: Fence, least: number, most = least, unitsPerMinute = 6000) {
  return await takeQuota(db, fence.mailboxId, { least, most, unitsPerMinute });
}

/** Units that were spent so many seconds ago. */
async function spent({ mailboxId }: Fence, ...entries: [secondsAgo: number, units: number][]): Promise<void> {
  await db.query(
    `update mailboxes
     set quota_spent = (
       select jsonb_object_agg((floor(extract(epoch from clock_timestamp()))::bigint - e.ago)::text, e.units)
       from unnest($2::integer[], $3::integer[]) as e (ago, units))
     where id = $1`,
    [mailboxId, entries.map(([ago]) => ago), entries.map(([, units]) => units)],
  );
}

async function epochMs(): Promise<number> {
  const { rows } = await db.query<{ ms: number }>(
    'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
  );
  return rows[0]?.ms ?? Number.NaN;
}

/** Gmail has shown that it counts its minutes whole. */
async function strictMailbox(): Promise<Fence> {
  const fence = await leasedMailbox(db);
  await db.query("update mailboxes set quota_strict_until = now() + interval '1 day' where id = $1", [
    fence.mailboxId,
  ]);
  return fence;
}

/** Units owed as of so many seconds ago. */
async function owed({ mailboxId }: Fence, units: number, secondsAgo = 0): Promise<void> {
  await db.query(
    `update mailboxes
     set quota_owed = $2::integer,
         quota_owed_at = clock_timestamp() - $3::float8 * interval '1 second'
     where id = $1::integer`,
    [mailboxId, units, secondsAgo],
  );
}

describe('taking from a budget that refills', () => {
  test('gives the most while there is room', async () => {
    const fence = await leasedMailbox(db);
    expect(await take(fence, 20, 160)).toMatchObject({ units: 160, waitMs: 0 });
  });

  test('leaves what Gmail may count late alone: eight tenths of a second', async () => {
    const fence = await leasedMailbox(db);
    expect(await take(fence, 20, 9_000)).toMatchObject({ units: 5_920 });
  });

  test('gives what has refilled since, and no more than a whole budget', async () => {
    const fence = await leasedMailbox(db);
    await owed(fence, 5_920, 10);
    const { units } = await take(fence, 20, 9_000);
    expect(units).toBeGreaterThanOrEqual(1_000);
    expect(units).toBeLessThan(1_200);
    await owed(fence, 5_920, 86_400);
    expect(await take(fence, 20, 9_000)).toMatchObject({ units: 5_920 });
  });

  test('gives nothing, and the wait until the least has refilled', async () => {
    const fence = await leasedMailbox(db);
    await owed(fence, 5_920);
    const { units, waitMs } = await take(fence, 20, 160);
    expect(units).toBe(0);
    expect(waitMs).toBeGreaterThan(100);
    expect(waitMs).toBeLessThanOrEqual(202);
    // And what it gives nothing of goes on refilling.
    await owed(fence, 5_930, 0.2);
    expect((await take(fence, 20)).units).toBe(0);
    await owed(fence, 5_930, 0.4);
    expect((await take(fence, 20)).units).toBe(20);
  });

  test('gives all of a full budget to what needs that much', async () => {
    const fence = await leasedMailbox(db);
    expect((await take(fence, 100, 100, 100)).units).toBe(100);
    expect((await take(await leasedMailbox(db), 101, 101, 100)).units).toBe(0);
  });

  test('is not held up by what was spent within the minute', async () => {
    const fence = await leasedMailbox(db);
    await spent(fence, [10, 6_000]);
    await owed(fence, 3_000);
    expect((await take(fence, 20, 160)).units).toBe(160);
  });

  test('never grants more than the budget to takers that come at once', async () => {
    const fence = await leasedMailbox(db);
    const begun = await epochMs();
    const grants = await Promise.all(
      Array.from({ length: 60 }, async () => await take(fence, 20, 70, 1_000)),
    );
    const refilled = (((await epochMs()) - begun) / 60_000) * 1_000;
    const units = grants.reduce((sum, grant) => sum + grant.units, 0);
    expect(units).toBeGreaterThan(960);
    expect(units).toBeLessThanOrEqual(987 + refilled);
  });

  test('keeps the budgets of two mailboxes apart', async () => {
    const one = await leasedMailbox(db);
    const other = await leasedMailbox(db);
    await owed(one, 6_000);
    expect((await take(one, 20)).units).toBe(0);
    expect((await take(other, 20)).units).toBe(20);
  });
});

describe('a refusal', () => {
  test('of what only a budget that refills allows makes the minutes count whole, for a week', async () => {
    const fence = await leasedMailbox(db);
    await spent(fence, [30, 6_000], [10, 20]);
    expect(await noteRefusal(db, fence.mailboxId, 6_000)).toBe(true);
    expect((await take(fence, 20)).units).toBe(0);
    await db.query(
      "update mailboxes set quota_strict_until = quota_strict_until - interval '7 days' where id = $1",
      [fence.mailboxId],
    );
    expect((await take(fence, 20)).units).toBe(20);
  });

  test('within what any sixty seconds allow proves nothing', async () => {
    const fence = await leasedMailbox(db);
    await spent(fence, [61, 3_000], [30, 6_000]);
    expect(await noteRefusal(db, fence.mailboxId, 6_000)).toBe(false);
    expect((await take(fence, 20)).units).toBe(20);
  });
});

describe('taking from a minute that counts whole', () => {
  test('gives the most while there is room', async () => {
    const fence = await strictMailbox();
    expect(await take(fence, 20, 160)).toMatchObject({ units: 160, waitMs: 0 });
  });

  test('gives what is left when it is at least the least', async () => {
    const fence = await strictMailbox();
    await spent(fence, [10, 5950]);
    expect(await take(fence, 20, 160)).toMatchObject({ units: 50 });
  });

  test('gives nothing, and a wait, when the least does not fit', async () => {
    const fence = await strictMailbox();
    await spent(fence, [50, 10], [40, 5980]);
    const grant = await take(fence, 20, 160);
    expect(grant.units).toBe(0);
    // Ten units come free with the second entry only for 20: the first leaves room for 10 + 10.
    expect(grant.waitMs).toBeGreaterThan(10_700);
    expect(grant.waitMs).toBeLessThan(11_900);
  });

  test('the wait ends when the second has left the window, to the millisecond', async () => {
    const fence = await strictMailbox();
    await spent(fence, [30, 6000]);
    const [booked] = Object.keys((await mailboxRow(db, fence)).quota_spent);
    const before = await epochMs();
    const { waitMs } = await take(fence, 20);
    const freeAtMs = Number(booked) * 1_000 + 61_800;
    expect(before + waitMs).toBeLessThanOrEqual(freeAtMs + 2);
    expect((await epochMs()) + waitMs).toBeGreaterThan(freeAtMs);
  });

  test('counts a minute, the whole second, and the time for which units lie in hand', async () => {
    const fence = await strictMailbox();
    await spent(fence, [60, 6000]);
    expect((await take(fence, 20)).units).toBe(0);
    await spent(fence, [62, 6000]);
    expect((await take(fence, 20)).units).toBe(20);
  });

  test('forgets what is older than the window', async () => {
    const fence = await strictMailbox();
    await spent(fence, [3600, 6000], [5, 100]);
    await take(fence, 20);
    expect(Object.values((await mailboxRow(db, fence)).quota_spent)).toEqual([100, 20]);
  });

  test('never grants more than the budget to takers that come at once', async () => {
    const fence = await strictMailbox();
    const grants = await Promise.all(Array.from({ length: 60 }, async () => await take(fence, 20, 70, 1000)));
    const units = grants.reduce((sum, grant) => sum + grant.units, 0);
    expect(units).toBeGreaterThan(980);
    expect(units).toBeLessThanOrEqual(1000);
    const booked = Object.values<number>((await mailboxRow(db, fence)).quota_spent);
    expect(booked.reduce((sum, one) => sum + one, 0)).toBe(units);
  });

  test('keeps the budgets of two mailboxes apart', async () => {
    const one = await strictMailbox();
    const other = await strictMailbox();
    await spent(one, [1, 6000]);
    expect((await take(one, 20)).units).toBe(0);
    expect((await take(other, 20)).units).toBe(20);
  });
});

describe('giving back', () => {
  test('makes room for others', async () => {
    const fence = await strictMailbox();
    const grant = await take(fence, 20, 1000, 1000);
    expect((await take(fence, 20, 20, 1000)).units).toBe(0);
    await returnQuota(db, fence.mailboxId, { second: grant.second, units: 40 });
    expect((await take(fence, 20, 100, 1000)).units).toBe(40);
  });

  test('fills the budget again', async () => {
    const fence = await leasedMailbox(db);
    const grant = await take(fence, 20, 9_000);
    await returnQuota(db, fence.mailboxId, { second: grant.second, units: 500 });
    const { units } = await take(fence, 20, 9_000);
    expect(units).toBeGreaterThanOrEqual(500);
    expect(units).toBeLessThan(700);
  });

  test('into a second that has passed changes nothing', async () => {
    const fence = await leasedMailbox(db);
    await take(fence, 20);
    const before = (await mailboxRow(db, fence)).quota_spent;
    await returnQuota(db, fence.mailboxId, { second: '1000', units: 40 });
    expect((await mailboxRow(db, fence)).quota_spent).toEqual(before);
  });
});
