import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Fence } from '../../shared/db/lease.ts';
import { takeLease } from '../../shared/db/lease.ts';
import { enterListingPage, findOpenListing, planListing, restartListing } from '../../shared/db/listings.ts';
import { adoptMailbox, findMailbox } from '../../shared/db/mailboxes.ts';
import { fenceOf, leasedMailbox, ledgerRow, mailboxRow } from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

async function open(fence: Fence) {
  const listing = await findOpenListing(db, fence.mailboxId);
  if (listing === null) throw new Error('No listing is open.');
  return listing;
}

async function page(fence: Fence, ids: string[], nextPageToken: string | null, settleSeconds = 0) {
  return await enterListingPage(db, fence, await open(fence), { ids, nextPageToken, settleSeconds });
}

describe('a listing', () => {
  test('goes on at the page after the one that it entered', async () => {
    const fence = await leasedMailbox(db);
    await planListing(db, fence.mailboxId, 'backfill', 'in:anywhere');
    expect(await page(fence, ['a', 'b'], 'token')).toBe(2);
    expect(await open(fence)).toMatchObject({
      pageToken: 'token',
      query: 'in:anywhere',
      purpose: 'backfill',
    });
    expect(await page(fence, ['b', 'c'], null)).toBe(1);
    expect(await findOpenListing(db, fence.mailboxId)).toBeNull();
    expect(await ledgerRow(db, fence, 'c')).toMatchObject({
      source: 'backfill',
      priority: 1,
      check_labels: true,
    });
  });

  test('enters its ids and its place, both or neither', async () => {
    const fence = await leasedMailbox(db);
    await planListing(db, fence.mailboxId, 'backfill', 'in:anywhere');
    await expect(page(fence, ['a', 'nul\0'], 'token')).rejects.toMatchObject({ code: 'unstorable' });
    expect(await open(fence)).toMatchObject({ pageToken: null });
    expect(await ledgerRow(db, fence, 'a')).toBeUndefined();
  });

  test('starts over without forgetting what it found', async () => {
    const fence = await leasedMailbox(db);
    await planListing(db, fence.mailboxId, 'backfill', 'in:anywhere');
    await page(fence, ['a'], 'token');
    await restartListing(db, fence, (await open(fence)).id);
    expect((await open(fence)).pageToken).toBeNull();
    expect(await page(fence, ['a', 'b'], null)).toBe(1);
  });

  test('waits behind an older one', async () => {
    const fence = await leasedMailbox(db);
    await planListing(db, fence.mailboxId, 'backfill', 'first');
    await planListing(db, fence.mailboxId, 'backfill', 'second');
    expect((await open(fence)).query).toBe('first');
    await page(fence, [], null);
    expect((await open(fence)).query).toBe('second');
  });
});

describe('the first listing', () => {
  test('is made again when the settle time is over, because the search may lag', async () => {
    const fence = await leasedMailbox(db);
    await planListing(db, fence.mailboxId, 'initial', 'in:inbox');
    await page(fence, ['a'], null, 90);
    expect(await findOpenListing(db, fence.mailboxId)).toBeNull();
    await db.query(
      "update listings set not_before = now() - interval '1 second', created_at = created_at - interval '91 seconds' where mailbox_id = $1",
      [fence.mailboxId],
    );
    expect((await open(fence)).pageToken).toBeNull();
    expect(await page(fence, ['a', 'late'], null, 90)).toBe(1);
    const { rows } = await db.query('select finished_at from listings where mailbox_id = $1', [
      fence.mailboxId,
    ]);
    expect(rows).toEqual([{ finished_at: expect.any(Date) }]);
  });

  test('is made once without a settle time, and a backfill is made once always', async () => {
    const fence = await leasedMailbox(db);
    for (const [purpose, settleSeconds] of [
      ['initial', 0],
      ['backfill', 90],
    ] as const) {
      await planListing(db, fence.mailboxId, purpose, 'q');
      await page(fence, [], null, settleSeconds);
    }
    const { rows } = await db.query('select 1 from listings where mailbox_id = $1 and finished_at is null', [
      fence.mailboxId,
    ]);
    expect(rows).toEqual([]);
  });
});

describe('adopting a mailbox', () => {
  const found = { historyId: '500', initialQuery: 'in:inbox' };

  test('pins it and plans its first listing in one step, once for all who try', async () => {
    const adopted = await Promise.all(
      Array.from(
        { length: 6 },
        async () => await adoptMailbox(db, { ...found, emailAddress: 'New@Example.com', fingerprint: 'new' }),
      ),
    );
    expect(adopted.filter((one) => one.isNew)).toHaveLength(1);
    const { rows } = await db.query(
      `select m.email_address, m.cursor_history_id, l.purpose, l.query
       from mailboxes m join listings l on l.mailbox_id = m.id where m.id = $1`,
      [adopted[0]?.id],
    );
    expect(rows).toEqual([
      { email_address: 'new@example.com', cursor_history_id: '500', purpose: 'initial', query: 'in:inbox' },
    ]);
  });

  test('with new credentials keeps the cursor, the lease and the ledger, and forgets the failures', async () => {
    const first = await adoptMailbox(db, { ...found, emailAddress: 'again@example.com', fingerprint: 'old' });
    const fence = fenceOf(first.id);
    await takeLease(db, fence, { holder: 'holder', trigger: 'schedule' });
    await db.query(
      "update mailboxes set failure_count = 3, next_poll_at = now() + interval '5 minutes' where id = $1",
      [first.id],
    );
    const again = await adoptMailbox(db, {
      ...found,
      historyId: '900',
      emailAddress: 'again@example.com',
      fingerprint: 'fresh',
    });
    expect(again).toMatchObject({ id: first.id, isNew: false, failureCount: 0, isDue: true });
    expect(await mailboxRow(db, fence)).toMatchObject({ cursor_history_id: '500', lease_token: fence.token });
    expect(await findMailbox(db, 'old')).toBeNull();
    const { rows } = await db.query('select 1 from listings where mailbox_id = $1', [first.id]);
    expect(rows).toHaveLength(1);
  });
});
