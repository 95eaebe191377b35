import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Fence } from '../../shared/db/lease.ts';
import { returnQuota, takeQuota } from '../../shared/db/quota.ts';
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

describe('taking', () => {
  test('gives the most while there is room', async () => {
    const fence = await leasedMailbox(db);
    expect(await take(fence, 20, 160)).toMatchObject({ units: 160, waitMs: 0 });
  });

  test('gives what is left when it is at least the least', async () => {
    const fence = await leasedMailbox(db);
    await spent(fence, [10, 5950]);
    expect(await take(fence, 20, 160)).toMatchObject({ units: 50 });
  });

  test('gives nothing, and a wait, when the least does not fit', async () => {
    const fence = await leasedMailbox(db);
    await spent(fence, [50, 10], [40, 5980]);
    const grant = await take(fence, 20, 160);
    expect(grant.units).toBe(0);
    // Ten units come free with the second entry only for 20: the first leaves room for 10 + 10.
    expect(grant.waitMs).toBeGreaterThan(10_700);
    expect(grant.waitMs).toBeLessThan(11_900);
  });

  test('the wait ends when the second has left the window, to the millisecond', async () => {
    const fence = await leasedMailbox(db);
    await spent(fence, [30, 6000]);
    const [booked] = Object.keys((await mailboxRow(db, fence)).quota_spent);
    const before = await epochMs();
    const { waitMs } = await take(fence, 20);
    const freeAtMs = Number(booked) * 1_000 + 61_800;
    expect(before + waitMs).toBeLessThanOrEqual(freeAtMs + 2);
    expect((await epochMs()) + waitMs).toBeGreaterThan(freeAtMs);
  });

  test('counts a minute, the whole second, and the time for which units lie in hand', async () => {
    const fence = await leasedMailbox(db);
    await spent(fence, [60, 6000]);
    expect((await take(fence, 20)).units).toBe(0);
    await spent(fence, [62, 6000]);
    expect((await take(fence, 20)).units).toBe(20);
  });

  test('forgets what is older than the window', async () => {
    const fence = await leasedMailbox(db);
    await spent(fence, [3600, 6000], [5, 100]);
    await take(fence, 20);
    expect(Object.values((await mailboxRow(db, fence)).quota_spent)).toEqual([100, 20]);
  });

  test('never grants more than the budget to takers that come at once', async () => {
    const fence = await leasedMailbox(db);
    const grants = await Promise.all(Array.from({ length: 60 }, async () => await take(fence, 20, 70, 1000)));
    const units = grants.reduce((sum, grant) => sum + grant.units, 0);
    expect(units).toBeGreaterThan(980);
    expect(units).toBeLessThanOrEqual(1000);
    const booked = Object.values<number>((await mailboxRow(db, fence)).quota_spent);
    expect(booked.reduce((sum, one) => sum + one, 0)).toBe(units);
  });

  test('keeps the budgets of two mailboxes apart', async () => {
    const one = await leasedMailbox(db);
    const other = await leasedMailbox(db);
    await spent(one, [1, 6000]);
    expect((await take(one, 20)).units).toBe(0);
    expect((await take(other, 20)).units).toBe(20);
  });
});

describe('giving back', () => {
  test('makes room for others', async () => {
    const fence = await leasedMailbox(db);
    const grant = await take(fence, 20, 1000, 1000);
    expect((await take(fence, 20, 20, 1000)).units).toBe(0);
    await returnQuota(db, fence.mailboxId, { second: grant.second, units: 40 });
    expect((await take(fence, 20, 100, 1000)).units).toBe(40);
  });

  test('into a second that has passed changes nothing', async () => {
    const fence = await leasedMailbox(db);
    await take(fence, 20);
    const before = (await mailboxRow(db, fence)).quota_spent;
    await returnQuota(db, fence.mailboxId, { second: '1000', units: 40 });
    expect((await mailboxRow(db, fence)).quota_spent).toEqual(before);
  });
});
