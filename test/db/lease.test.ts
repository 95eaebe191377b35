import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimDue, endAttempt, refundAttempts } from '../../shared/db/attempts.ts';
import { enterHistoryPage } from '../../shared/db/cursor.ts';
import { buryExhausted } from '../../shared/db/dead-messages.ts';
import { assertFence, mustLookAgain, releaseLease, renewLease, takeLease } from '../../shared/db/lease.ts';
import { findOpenListing, planListing, restartListing } from '../../shared/db/listings.ts';
import { recordHint } from '../../shared/db/mailboxes.ts';
import {
  enterLive,
  expireLease,
  fenceOf,
  insertMailbox,
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

const claimAll = { limit: 10, ignoreWaits: true, suspects: false };

describe('taking', () => {
  test('gives the lease to one holder and tells it where the cursor stands', async () => {
    const first = fenceOf(await insertMailbox(db, '18446744073709551615'));
    expect(await takeLease(db, first, 'a')).toMatchObject({ cursorHistoryId: '18446744073709551615' });
    expect(await takeLease(db, fenceOf(first.mailboxId), 'b')).toBeNull();
    expect(await mailboxRow(db, first)).toMatchObject({ lease_holder: 'a', lease_token: first.token });
  });

  test('lets exactly one of many concurrent takers in', async () => {
    const mailboxId = await insertMailbox(db);
    const takers = Array.from({ length: 12 }, () => fenceOf(mailboxId));
    const taken = await Promise.all(takers.map(async (fence) => await takeLease(db, fence, 'x')));
    expect(taken.filter((state) => state !== null)).toHaveLength(1);
  });

  test('lets exactly one of many takers of an expired lease in', async () => {
    const dead = await leasedMailbox(db);
    await expireLease(db, dead);
    const takers = Array.from({ length: 12 }, () => fenceOf(dead.mailboxId));
    const taken = await Promise.all(takers.map(async (fence) => await takeLease(db, fence, 'x')));
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
    expect(await takeLease(db, fenceOf(fence.mailboxId), 'next')).not.toBeNull();
  });

  test('does not prolong the lease of a successor', async () => {
    const late = await leasedMailbox(db);
    await expireLease(db, late);
    await takeLease(db, fenceOf(late.mailboxId), 'next');
    expect(await renewLease(db, late)).toBe(false);
  });
});

describe('giving back', () => {
  const at = (endHistoryId: string, shownHistoryId = endHistoryId) => ({ endHistoryId, shownHistoryId });

  test('frees the mailbox for the next', async () => {
    const fence = await leasedMailbox(db);
    expect(await releaseLease(db, fence, at('100'))).toBe('released');
    expect(await takeLease(db, fenceOf(fence.mailboxId), 'next')).not.toBeNull();
  });

  test('is kept back while a newer hint stands, beyond 2^53 too', async () => {
    const fence = await leasedMailbox(db, '9007199254740992');
    const { email_address: emailAddress } = await mailboxRow(db, fence);
    await recordHint(db, { emailAddress, historyId: '9007199254740993' });
    expect(await mustLookAgain(db, fence, at('9007199254740992'))).toBe(true);
    expect(await releaseLease(db, fence, at('9007199254740992'))).toBe('look_again');
    expect(await renewLease(db, fence)).toBe(true);
    expect(await releaseLease(db, fence, at('9007199254740993'))).toBe('released');
  });

  test('is kept back while a fresh hint names what Gmail has not listed yet, and not for ever', async () => {
    const fence = await leasedMailbox(db);
    const { email_address: emailAddress } = await mailboxRow(db, fence);
    await recordHint(db, { emailAddress, historyId: '120' });
    expect(await releaseLease(db, fence, at('120', '110'))).toBe('look_again');
    await db.query("update mailboxes set hint_at = now() - interval '11 seconds' where id = $1", [
      fence.mailboxId,
    ]);
    expect(await releaseLease(db, fence, at('120', '110'))).toBe('released');
  });

  test('happens whatever stands announced when the run ends early', async () => {
    const fence = await leasedMailbox(db);
    const { email_address: emailAddress } = await mailboxRow(db, fence);
    await recordHint(db, { emailAddress, historyId: '999' });
    expect(await releaseLease(db, fence, null)).toBe('released');
  });

  test('does not free the lease of a successor', async () => {
    const late = await leasedMailbox(db);
    await expireLease(db, late);
    const next = fenceOf(late.mailboxId);
    await takeLease(db, next, 'next');
    expect(await releaseLease(db, late, null)).toBe('lost');
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
    if (how === 'replaced') await takeLease(db, fenceOf(late.mailboxId), 'next');
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
      settleSeconds: 0,
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
