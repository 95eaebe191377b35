import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimDue, endAttempt, refundAttempts } from '../../shared/db/attempts.ts';
import { enterHistoryPage } from '../../shared/db/cursor.ts';
import { buryExhausted } from '../../shared/db/dead-messages.ts';
import { assertFence, dropLease, renewLease, takeLease } from '../../shared/db/lease.ts';
import { findOpenListing, planListing, restartListing } from '../../shared/db/listings.ts';
import { recordHint } from '../../shared/db/mailboxes.ts';
import {
  enterLive,
  expireLease,
  fenceOf,
  insertMailbox,
  LOOK_FOR,
  leasedMailbox,
  ledgerRow,
  mailboxRow,
  sighting,
} from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const NEXT = { holder: 'next', trigger: 'schedule' } as const;
const claimAll = { limit: 10, ignoreWaits: true, suspects: false };

describe('taking', () => {
  test('gives the lease to one holder and tells it where the cursor stands', async () => {
    const first = fenceOf(await insertMailbox(db, '18446744073709551615'));
    expect(await takeLease(db, first, { holder: 'a', trigger: 'schedule' })).toMatchObject({
      scan: { historyId: '18446744073709551615', fromCursor: true },
    });
    expect(await takeLease(db, fenceOf(first.mailboxId), { holder: 'b', trigger: 'schedule' })).toBeNull();
    expect(await mailboxRow(db, first)).toMatchObject({ lease_holder: 'a', lease_token: first.token });
  });

  test('writes down that a run began, and nothing where somebody else holds it', async () => {
    const fence = fenceOf(await insertMailbox(db, '77'));
    const taken = await takeLease(db, fence, { holder: 'a', trigger: 'push' });
    await takeLease(db, fenceOf(fence.mailboxId), NEXT);
    const { rows } = await db.query(
      'select id, trigger, outcome, cursor_before from ingest_runs where mailbox_id = $1',
      [fence.mailboxId],
    );
    expect(rows).toEqual([{ id: taken?.runId, trigger: 'push', outcome: null, cursor_before: '77' }]);
  });

  test('asked again, because the first answer was lost, finds its lease and its row', async () => {
    const fence = fenceOf(await insertMailbox(db));
    const first = await takeLease(db, fence, NEXT);
    expect(await takeLease(db, fence, NEXT)).toMatchObject({ runId: first?.runId });
    expect(
      (await db.query('select 1 from ingest_runs where mailbox_id = $1', [fence.mailboxId])).rows,
    ).toHaveLength(1);
  });

  test('goes on where a listing ran out of time', async () => {
    const fence = fenceOf(await insertMailbox(db, '77'));
    await db.query('update mailboxes set scan_history_id = 88 where id = $1', [fence.mailboxId]);
    const taken = await takeLease(db, fence, NEXT);
    expect(taken?.scan).toMatchObject({ historyId: '88', fromCursor: false, listedAt: taken?.takenAt });
  });

  test('lets exactly one of many concurrent takers in', async () => {
    const mailboxId = await insertMailbox(db);
    const takers = Array.from({ length: 12 }, () => fenceOf(mailboxId));
    const taken = await Promise.all(
      takers.map(async (fence) => await takeLease(db, fence, { holder: 'x', trigger: 'schedule' })),
    );
    expect(taken.filter((state) => state !== null)).toHaveLength(1);
  });

  test('lets exactly one of many takers of an expired lease in', async () => {
    const dead = await leasedMailbox(db);
    await expireLease(db, dead);
    const takers = Array.from({ length: 12 }, () => fenceOf(dead.mailboxId));
    const taken = await Promise.all(
      takers.map(async (fence) => await takeLease(db, fence, { holder: 'x', trigger: 'schedule' })),
    );
    expect(taken.filter((state) => state !== null)).toHaveLength(1);
    await expect(assertFence(db, dead)).rejects.toMatchObject({ code: 'lease_lost' });
  });

  test('gives the lease of one mailbox without touching another', async () => {
    const one = await leasedMailbox(db);
    const other = await leasedMailbox(db);
    expect(await renewLease(db, one)).toBe(true);
    expect(await renewLease(db, other)).toBe(true);
  });
});

describe('renewing', () => {
  test('pushes the expiry out while the lease is ours', async () => {
    const fence = await leasedMailbox(db);
    await db.query("update mailboxes set lease_expires_at = now() + interval '1 second' where id = $1", [
      fence.mailboxId,
    ]);
    expect(await renewLease(db, fence)).toBe(true);
    const { rows } = await db.query(
      "select 1 from mailboxes where id = $1 and lease_expires_at > now() + interval '30 seconds'",
      [fence.mailboxId],
    );
    expect(rows).toHaveLength(1);
  });

  test('does not bring an expired lease back to life', async () => {
    const fence = await leasedMailbox(db);
    await expireLease(db, fence);
    expect(await renewLease(db, fence)).toBe(false);
    expect(await takeLease(db, fenceOf(fence.mailboxId), NEXT)).not.toBeNull();
  });

  test('does not prolong the lease of a successor', async () => {
    const late = await leasedMailbox(db);
    await expireLease(db, late);
    await takeLease(db, fenceOf(late.mailboxId), NEXT);
    expect(await renewLease(db, late)).toBe(false);
  });
});

describe('giving back what a run did not begin with', () => {
  test('frees the mailbox for the next, whatever stands announced', async () => {
    const fence = await leasedMailbox(db);
    const { email_address: emailAddress } = await mailboxRow(db, fence);
    await recordHint(db, { emailAddress, historyId: '999' });
    await dropLease(db, fence);
    expect(await takeLease(db, fenceOf(fence.mailboxId), NEXT)).not.toBeNull();
  });

  test('does not free the lease of a successor', async () => {
    const late = await leasedMailbox(db);
    await expireLease(db, late);
    const next = fenceOf(late.mailboxId);
    await takeLease(db, next, NEXT);
    await dropLease(db, late);
    expect(await renewLease(db, next)).toBe(true);
  });
});

describe('a late holder', () => {
  test.each(['expired', 'replaced'])('whose lease is %s writes nothing', async (how) => {
    const late = await leasedMailbox(db);
    await enterLive(db, late, 'claimed', 'open');
    await claimDue(db, late, { ...claimAll, limit: 1, runStartedAt: new Date(Date.now() + 60_000) });
    const listingId = await planListing(db, late.mailboxId, 'backfill', 'in:anywhere');
    await db.query("update listings set page_token = 'kept' where id = $1", [listingId]);
    await expireLease(db, late);
    if (how === 'replaced') await takeLease(db, fenceOf(late.mailboxId), NEXT);
    const before = [
      await mailboxRow(db, late),
      await ledgerRow(db, late, 'claimed'),
      await ledgerRow(db, late, 'open'),
    ];

    const page = {
      sightings: [sighting('new', { historyId: '110' })],
      readmitted: [],
      resumeAt: null,
      end: '120',
      fromCursor: true,
      listedAt: new Date(),
      oldestNewHistoryId: null,
      shownHistoryId: '110',
      settleSeconds: 0,
      lookFor: LOOK_FOR,
    };
    await expect(enterHistoryPage(db, late, page)).rejects.toMatchObject({ code: 'lease_lost' });
    await expect(restartListing(db, late, listingId)).rejects.toMatchObject({ code: 'lease_lost' });
    expect(await claimDue(db, late, { ...claimAll, runStartedAt: new Date() })).toEqual([]);
    await endAttempt(db, late, 'claimed', { state: 'gone' });
    await refundAttempts(db, late, ['claimed', 'open']);
    await buryExhausted(db, late, { maxAttempts: 0, runStartedAt: new Date(Date.now() + 60_000) });

    expect(await ledgerRow(db, late, 'new')).toBeUndefined();
    expect((await findOpenListing(db, late.mailboxId))?.pageToken).toBe('kept');
    const after = [
      await mailboxRow(db, late),
      await ledgerRow(db, late, 'claimed'),
      await ledgerRow(db, late, 'open'),
    ];
    expect(after).toEqual(before);
  });
});
