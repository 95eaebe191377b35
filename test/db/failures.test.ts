import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimRetries, claimSuspect, claimUntried, releaseClaims } from '../../shared/db/claims.ts';
import {
  chargeFailures,
  MAX_ATTEMPTS,
  recordFailure,
  sweepOpenClaims,
  wakeWaiting,
} from '../../shared/db/failures.ts';
import type { Lease } from '../../shared/db/lease.ts';
import { PRIORITY } from '../../shared/db/ledger.ts';
import {
  addLiveMessages,
  changeMessages,
  leasedMailbox,
  leaseOf,
  ledgerRow,
  takeOver,
} from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const HOUR = 3_600;
const DAY = 24 * HOUR;

/** Claims the message, due or not. */
async function claim(lease: Lease, id: string): Promise<void> {
  await changeMessages(db, lease, `claim_token = '${lease.token}'`, [id]);
}

/** Claims the message as one that is fetched alone. */
async function claimAlone(lease: Lease, id: string): Promise<void> {
  await changeMessages(db, lease, 'is_crash_suspect = true', [id]);
  await claim(lease, id);
}

async function fail(
  lease: Lease,
  id: string,
  more: { isEarly?: boolean; jitter?: number } = {},
): Promise<void> {
  await claim(lease, id);
  await recordFailure(db, lease, {
    gmailMessageId: id,
    code: 'gmail_unavailable',
    detail: '503',
    isEarly: false,
    jitter: 1,
    ...more,
  });
}

/** Back-dates the last attempt, so that the next one is due. */
async function passWait(lease: Lease): Promise<void> {
  await changeMessages(
    db,
    lease,
    'last_attempt_at = last_attempt_at - (next_attempt_at - now()), next_attempt_at = now()',
  );
}

/** Seconds from the last attempt to the next; null when there is none. */
async function waitOf({ mailboxId }: Lease, id: string): Promise<number | null> {
  const { rows } = await db.query<{ wait: number | null }>(
    `select extract(epoch from next_attempt_at - last_attempt_at)::float8 as wait
     from email_ledger
     where mailbox_id = $1 and gmail_message_id = $2`,
    [mailboxId, id],
  );
  return rows[0]?.wait ?? null;
}

async function attemptCountOf(lease: Lease, id: string): Promise<number> {
  return (await ledgerRow(db, lease, id)).attempt_count;
}

async function charge(lease: Lease, id: string, jitter = 1) {
  return await chargeFailures(db, lease, new Map([[id, await attemptCountOf(lease, id)]]), jitter);
}

async function leaseWith(...ids: string[]): Promise<Lease> {
  const lease = await leasedMailbox(db);
  await addLiveMessages(db, lease, ...ids);
  return lease;
}

describe('recordFailure', () => {
  test('a failed attempt ends its claim with the error and charges nothing', async () => {
    const lease = await leaseWith('a');
    await fail(lease, 'a');
    const row = await ledgerRow(db, lease, 'a');
    expect(row).toMatchObject({
      state: 'pending',
      attempt_count: 0,
      claim_token: null,
      error_code: 'gmail_unavailable',
      error_detail: '503',
    });
    expect(row.last_attempt_at).not.toBeNull();
  });

  test('a failure is recorded once when the statement runs twice', async () => {
    const lease = await leaseWith('a');
    await fail(lease, 'a');
    const before = await ledgerRow(db, lease, 'a');
    const again = { gmailMessageId: 'a', code: 'x', detail: 'x', isEarly: false, jitter: 1 };
    await recordFailure(db, lease, again);
    expect(await ledgerRow(db, lease, 'a')).toEqual(before);
  });

  test('the wait after an uncharged failure is the age of the message, from 20 s to 5 min', async () => {
    const lease = await leaseWith('a');
    const waits: (number | null)[] = [];
    for (const age of [1, 60, 200, 4_000]) {
      await db.query(
        "update email_ledger set discovered_at = now() - $2::integer * interval '1 second' where mailbox_id = $1",
        [lease.mailboxId, age],
      );
      await fail(lease, 'a');
      waits.push(Math.round((await waitOf(lease, 'a')) ?? 0));
      await passWait(lease);
    }
    expect(waits).toEqual([20, 60, 200, 300]);
  });

  test('the wait after a charged failure starts at 20 s and triples each time up to 4 h', async () => {
    const lease = await leaseWith('a');
    const waits: (number | null)[] = [];
    for (let n = 0; n < MAX_ATTEMPTS - 1; n += 1) {
      await fail(lease, 'a');
      await charge(lease, 'a');
      waits.push(await waitOf(lease, 'a'));
      await passWait(lease);
    }
    expect(waits).toEqual([20, 60, 180, 540, 1_620, 4_860, 4 * HOUR]);
  });

  test('the wait after an uncharged failure follows the failures charged before it', async () => {
    const lease = await leaseWith('a');
    await changeMessages(db, lease, 'attempt_count = 3');
    await fail(lease, 'a');
    expect(await waitOf(lease, 'a')).toBe(180);
  });

  test('a random factor shortens the wait', async () => {
    const lease = await leaseWith('a', 'b');
    await fail(lease, 'a', { jitter: 0.75 });
    expect(await waitOf(lease, 'a')).toBe(15);
    await fail(lease, 'b');
    await charge(lease, 'b', 0.8);
    expect(await waitOf(lease, 'b')).toBe(16);
  });

  test('a failed early attempt changes only the error and the time of the attempt', async () => {
    const lease = await leaseWith('a');
    await changeMessages(
      db,
      lease,
      "attempt_count = 5, last_attempt_at = now() - interval '1 hour', next_attempt_at = now() + interval '1 hour'",
    );
    const before = await ledgerRow(db, lease, 'a');
    await fail(lease, 'a', { isEarly: true });
    const after = await ledgerRow(db, lease, 'a');
    expect(after).toEqual({
      ...before,
      error_code: 'gmail_unavailable',
      error_detail: '503',
      last_attempt_at: after.last_attempt_at,
    });
    expect(after.last_attempt_at.getTime()).toBeGreaterThan(before.last_attempt_at.getTime());
  });

  test('a failure without an open claim changes nothing', async () => {
    const lease = await leaseWith('a');
    await claimUntried(db, lease, { priority: PRIORITY.live, limit: 1 });
    await releaseClaims(db, lease);
    const before = await ledgerRow(db, lease, 'a');
    await recordFailure(db, lease, {
      gmailMessageId: 'a',
      code: 'x',
      detail: 'x',
      isEarly: false,
      jitter: 1,
    });
    expect(await ledgerRow(db, lease, 'a')).toEqual(before);
  });
});

describe('chargeFailures', () => {
  test('a failure is charged once when the statement runs twice', async () => {
    const lease = await leaseWith('a');
    await fail(lease, 'a');
    const counts = new Map([['a', 0]]);
    expect(await chargeFailures(db, lease, counts, 1)).toEqual([]);
    expect(await chargeFailures(db, lease, counts, 1)).toEqual([]);
    expect(await attemptCountOf(lease, 'a')).toBe(1);
  });

  test('each message is charged by its own count, and none of another mailbox', async () => {
    const [lease, other] = [await leaseWith('a', 'b'), await leaseWith('a')];
    await changeMessages(db, lease, 'attempt_count = 4', ['b']);
    for (const id of ['a', 'b']) await fail(lease, id);
    await fail(other, 'a');
    await chargeFailures(
      db,
      lease,
      new Map([
        ['a', 0],
        ['b', 4],
        ['unknown', 0],
      ]),
      1,
    );
    expect([await attemptCountOf(lease, 'a'), await attemptCountOf(lease, 'b')]).toEqual([1, 5]);
    expect(await attemptCountOf(other, 'a')).toBe(0);
  });

  test('a message whose count is not the expected one, as after a requeue, is not charged', async () => {
    const lease = await leaseWith('a');
    await fail(lease, 'a');
    expect(await chargeFailures(db, lease, new Map([['a', 7]]), 1)).toEqual([]);
    expect(await ledgerRow(db, lease, 'a')).toMatchObject({ state: 'pending', attempt_count: 0 });
  });

  test('a message that has been stored or claimed again is not charged', async () => {
    const lease = await leaseWith('stored', 'claimed');
    await fail(lease, 'stored');
    await fail(lease, 'claimed');
    await changeMessages(db, lease, "state = 'stored', resolved_at = now()", ['stored']);
    await claim(lease, 'claimed');
    const both = new Map([
      ['stored', 0],
      ['claimed', 0],
    ]);
    expect(await chargeFailures(db, lease, both, 1)).toEqual([]);
    for (const id of both.keys()) expect(await attemptCountOf(lease, id)).toBe(0);
  });

  test('the eighth charged failure makes a message dead, with its last error and a retry in a day', async () => {
    const lease = await leaseWith('a', 'b');
    await changeMessages(db, lease, 'attempt_count = 6');
    for (const id of ['a', 'b']) await fail(lease, id);
    await changeMessages(db, lease, 'attempt_count = 7', ['a']);
    const counts = new Map([
      ['a', 7],
      ['b', 6],
    ]);
    expect(await chargeFailures(db, lease, counts, 1)).toEqual([
      { gmailMessageId: 'a', attemptCount: 8, errorCode: 'gmail_unavailable' },
    ]);
    const row = await ledgerRow(db, lease, 'a');
    expect(row).toMatchObject({ state: 'dead', error_detail: '503', given_up_at: null });
    expect(row.next_attempt_at.getTime() - row.resolved_at.getTime()).toBe(DAY * 1_000);
    expect(await ledgerRow(db, lease, 'b')).toMatchObject({ state: 'pending', attempt_count: 7 });
    expect(await chargeFailures(db, lease, counts, 1)).toEqual([]);
  });

  test('the lease of another run charges nothing', async () => {
    const lease = await leaseWith('a');
    await fail(lease, 'a');
    expect(await charge(leaseOf(lease.mailboxId), 'a')).toEqual([]);
    expect(await attemptCountOf(lease, 'a')).toBe(0);
  });
});

describe('dead messages', () => {
  async function deadFor(days: number): Promise<Lease> {
    const lease = await leaseWith('a');
    await changeMessages(
      db,
      lease,
      `state = 'dead', attempt_count = 8, last_attempt_at = now() - interval '1 day', next_attempt_at = now(),
       resolved_at = now() - interval '${days} days'`,
    );
    return lease;
  }

  test.each([
    [0, DAY],
    [13.9, DAY],
    [14.1, null],
  ])('a dead message that fails again after %d days is retried after %j seconds', async (days, wait) => {
    const lease = await deadFor(days);
    const { resolved_at: diedAt } = await ledgerRow(db, lease, 'a');
    await fail(lease, 'a');
    expect(await waitOf(lease, 'a')).toBe(wait);
    expect(await ledgerRow(db, lease, 'a')).toMatchObject({
      state: 'dead',
      attempt_count: 8,
      resolved_at: diedAt,
    });
  });

  test('a dead message is not charged again', async () => {
    const lease = await deadFor(1);
    await fail(lease, 'a');
    expect(await charge(lease, 'a')).toEqual([]);
    expect(await attemptCountOf(lease, 'a')).toBe(8);
  });

  test('a dead message that is given up during an attempt is not retried', async () => {
    const lease = await deadFor(1);
    await changeMessages(db, lease, 'given_up_at = now()');
    await fail(lease, 'a');
    expect(await waitOf(lease, 'a')).toBeNull();
  });
});

describe('wakeWaiting', () => {
  test('all waiting messages become due and the others stay unchanged', async () => {
    const lease = await leaseWith('waiting', 'charged', 'due', 'fresh', 'dead');
    for (const id of ['waiting', 'charged', 'due', 'dead']) await fail(lease, id);
    await charge(lease, 'charged');
    await changeMessages(db, lease, "next_attempt_at = now() - interval '1 minute'", ['due']);
    await changeMessages(db, lease, "state = 'dead', resolved_at = now()", ['dead']);
    const untouched = async () =>
      await Promise.all(['due', 'fresh', 'dead'].map(async (id) => await ledgerRow(db, lease, id)));
    const before = await untouched();
    expect(await wakeWaiting(db, leaseOf(lease.mailboxId))).toBe(0);
    expect(await wakeWaiting(db, lease)).toBe(2);
    expect(await wakeWaiting(db, lease)).toBe(0);
    expect(await untouched()).toEqual(before);
    const due = await claimRetries(db, lease, {
      limit: 10,
      runStartedAt: new Date(),
      includesWaiting: false,
    });
    expect(due.map((claimed) => claimed.gmailMessageId).sort()).toEqual(['charged', 'due', 'waiting']);
    expect(await attemptCountOf(lease, 'charged')).toBe(1);
  });
});

describe('sweepOpenClaims', () => {
  test('a crash is charged to a crash suspect, which is fetched alone', async () => {
    const lease = await leaseWith('a', 'b');
    await claimAlone(lease, 'a');
    const before = await ledgerRow(db, lease, 'b');
    expect(await sweepOpenClaims(db, await takeOver(db, lease), 1)).toEqual([]);
    expect(await ledgerRow(db, lease, 'a')).toMatchObject({
      state: 'pending',
      claim_token: null,
      is_crash_suspect: true,
      crash_count: 1,
      attempt_count: 0,
      error_code: 'killed_process',
    });
    expect(await ledgerRow(db, lease, 'b')).toEqual(before);
  });

  test('a crash is not charged to the only open claim of a mailbox, because the process may have worked on others', async () => {
    const lease = await leaseWith('a', 'b');
    await claim(lease, 'a');
    expect(await sweepOpenClaims(db, await takeOver(db, lease), 1)).toEqual([]);
    expect(await ledgerRow(db, lease, 'a')).toMatchObject({
      claim_token: null,
      is_crash_suspect: true,
      crash_count: 0,
      error_code: null,
    });
  });

  test('several open claims mark their messages as crash suspects without a charge', async () => {
    const lease = await leaseWith('a', 'b');
    await claimUntried(db, lease, { priority: PRIORITY.live, limit: 5 });
    expect(await sweepOpenClaims(db, await takeOver(db, lease), 1)).toEqual([]);
    for (const id of ['a', 'b']) {
      expect(await ledgerRow(db, lease, id)).toMatchObject({
        claim_token: null,
        is_crash_suspect: true,
        crash_count: 0,
        attempt_count: 0,
        last_attempt_at: null,
        error_code: null,
      });
    }
  });

  test('a crash is charged per lease', async () => {
    const lease = await leaseWith('alone', 'b', 'c');
    await claimAlone(lease, 'alone');
    const second = await takeOver(db, lease);
    for (const id of ['b', 'c']) await claim(second, id);
    await sweepOpenClaims(db, await takeOver(db, second), 1);
    const counts = ['alone', 'b', 'c'].map(async (id) => (await ledgerRow(db, lease, id)).crash_count);
    expect(await Promise.all(counts)).toEqual([1, 0, 0]);
  });

  test('open claims of this run and of another mailbox are left alone', async () => {
    const [lease, other] = [await leaseWith('a'), await leaseWith('a')];
    await claim(lease, 'a');
    await claim(other, 'a');
    await takeOver(db, other);
    await sweepOpenClaims(db, lease, 1);
    expect(await ledgerRow(db, lease, 'a')).toMatchObject({
      claim_token: lease.token,
      is_crash_suspect: false,
    });
    expect((await ledgerRow(db, other, 'a')).claim_token).toBe(other.token);
  });

  test('three crashes of a message alone make it dead with a retry in a day', async () => {
    let lease = await leaseWith('a');
    for (let crashes = 1; crashes <= 3; crashes += 1) {
      if (crashes === 1) await claimAlone(lease, 'a');
      else expect(await claimSuspect(db, lease, PRIORITY.live)).toHaveLength(1);
      lease = await takeOver(db, lease);
      expect(await sweepOpenClaims(db, lease, 1)).toEqual(
        crashes < 3 ? [] : [{ gmailMessageId: 'a', attemptCount: 3, errorCode: 'killed_process' }],
      );
    }
    const row = await ledgerRow(db, lease, 'a');
    expect(row).toMatchObject({ state: 'dead', crash_count: 3, is_crash_suspect: true });
    expect(row.next_attempt_at.getTime() - row.resolved_at.getTime()).toBe(DAY * 1_000);
    expect(await claimSuspect(db, lease, PRIORITY.live)).toEqual([]);
  });

  test.each([
    ['is retried after a day', 1, DAY],
    ['is not retried after 14 days', 14.1, null],
  ])('a message that was already dead is not reported as dead again and %s', async (_, days, wait) => {
    const lease = await leaseWith('a');
    await changeMessages(
      db,
      lease,
      `state = 'dead', crash_count = 3, is_crash_suspect = true, next_attempt_at = now(),
       resolved_at = now() - interval '${days} days'`,
    );
    const { resolved_at: diedAt } = await ledgerRow(db, lease, 'a');
    expect(await claimSuspect(db, lease, PRIORITY.live)).toHaveLength(1);
    expect(await sweepOpenClaims(db, await takeOver(db, lease), 1)).toEqual([]);
    expect(await ledgerRow(db, lease, 'a')).toMatchObject({ state: 'dead', resolved_at: diedAt });
    expect(await waitOf(lease, 'a')).toBe(wait);
  });

  test('a message that was given up during its claim gets no retry', async () => {
    const lease = await leaseWith('a');
    await changeMessages(db, lease, "state = 'dead', resolved_at = now(), given_up_at = now()");
    await claim(lease, 'a');
    const next = await takeOver(db, lease);
    await sweepOpenClaims(db, next, 1);
    expect(await ledgerRow(db, lease, 'a')).toMatchObject({ claim_token: null, next_attempt_at: null });
  });

  test('an attempt that ends without a crash resets the crash count', async () => {
    const lease = await leaseWith('a');
    await changeMessages(db, lease, 'crash_count = 2, is_crash_suspect = true');
    await fail(lease, 'a');
    await claimAlone(lease, 'a');
    await sweepOpenClaims(db, await takeOver(db, lease), 1);
    expect(await ledgerRow(db, lease, 'a')).toMatchObject({ state: 'pending', crash_count: 1 });
  });
});
