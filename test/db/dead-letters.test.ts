import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimRetries, claimSuspect, claimUntried } from '../../shared/db/claims.ts';
import {
  giveUpDeadLetters,
  listDeadLetters,
  readLedgerStates,
  requeueDeadLetters,
} from '../../shared/db/dead-letters.ts';
import type { Lease } from '../../shared/db/lease.ts';
import { PRIORITY } from '../../shared/db/ledger.ts';
import { addLiveMessages, changeMessages, leasedMailbox, ledgerRow } from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

/** Two dead messages with one error code, one that crashed its process, and a pending message. */
async function mailboxWithDead(): Promise<Lease> {
  const lease = await leasedMailbox(db);
  await addLiveMessages(db, lease, 'second', 'first', 'killer', 'pending');
  await changeMessages(
    db,
    lease,
    `state = 'dead', attempt_count = 8, last_attempt_at = now(), next_attempt_at = now() + interval '1 day',
     resolved_at = now() - interval '1 hour', error_code = 'gmail_refused', error_detail = '400'`,
    ['second', 'first', 'killer'],
  );
  await changeMessages(db, lease, "resolved_at = now() - interval '2 hours'", ['first']);
  await changeMessages(
    db,
    lease,
    "attempt_count = 2, crash_count = 3, is_crash_suspect = true, error_code = 'killed_process'",
    ['killer'],
  );
  return lease;
}

async function listedIds({ mailboxId }: Lease, selection = {}): Promise<string[]> {
  return (await listDeadLetters(db, mailboxId, selection)).map((letter) => letter.gmailMessageId);
}

test('dead letters are listed by error code, then oldest first', async () => {
  const lease = await mailboxWithDead();
  expect(await listedIds(lease)).toEqual(['first', 'second', 'killer']);
  const row = await ledgerRow(db, lease, 'first');
  expect((await listDeadLetters(db, lease.mailboxId))[0]).toEqual({
    gmailMessageId: 'first',
    attemptCount: 8,
    errorCode: 'gmail_refused',
    errorDetail: '400',
    diedAt: row.resolved_at,
    nextAttemptAt: row.next_attempt_at,
    givenUpAt: null,
  });
});

test.each([
  [{ gmailMessageIds: ['killer', 'pending', 'unknown'] }, ['killer']],
  [{ errorCodes: ['gmail_refused'] }, ['first', 'second']],
  [{ gmailMessageIds: ['first', 'killer'], errorCodes: ['gmail_refused'] }, ['first']],
  [{ gmailMessageIds: [] }, []],
])('the selection %j matches exactly the dead letters %j', async (selection, expected) => {
  const lease = await mailboxWithDead();
  const { mailboxId } = lease;
  expect(await listedIds(lease, selection)).toEqual(expected);
  expect(await giveUpDeadLetters(db, mailboxId, selection)).toBe(expected.length);
  const givenUp = (await listDeadLetters(db, mailboxId)).filter((letter) => letter.givenUpAt !== null);
  expect(givenUp.map((letter) => letter.gmailMessageId)).toEqual(expected);
  expect(await requeueDeadLetters(db, mailboxId, selection)).toBe(expected.length);
  const states = await readLedgerStates(db, mailboxId, ['first', 'second', 'killer']);
  expect(
    [...states]
      .filter(([, { state }]) => state === 'pending')
      .map(([id]) => id)
      .sort(),
  ).toEqual(expected);
});

test('dead letters of another mailbox are not requeued', async () => {
  const [lease, other] = [await mailboxWithDead(), await mailboxWithDead()];
  expect(await requeueDeadLetters(db, lease.mailboxId)).toBe(3);
  expect(await listedIds(lease)).toEqual([]);
  expect(await listedIds(other)).toHaveLength(3);
});

describe('requeueDeadLetters', () => {
  test('requeueing makes a message due and resets its attempts, once', async () => {
    const lease = await mailboxWithDead();
    expect(await requeueDeadLetters(db, lease.mailboxId)).toBe(3);
    expect(await requeueDeadLetters(db, lease.mailboxId)).toBe(0);
    expect(await ledgerRow(db, lease, 'first')).toMatchObject({
      state: 'pending',
      attempt_count: 0,
      last_attempt_at: null,
      resolved_at: null,
    });
    const { claims } = await claimUntried(db, lease, { priority: PRIORITY.live, limit: 100 });
    expect(claims.map((claim) => claim.gmailMessageId).sort()).toEqual(['first', 'pending', 'second']);
  });

  test('requeueing keeps a message that crashed its process as a suspect to fetch alone', async () => {
    const lease = await mailboxWithDead();
    await requeueDeadLetters(db, lease.mailboxId);
    expect(await ledgerRow(db, lease, 'killer')).toMatchObject({ crash_count: 0, is_crash_suspect: true });
    expect(await claimSuspect(db, lease, PRIORITY.live)).toMatchObject([{ gmailMessageId: 'killer' }]);
  });

  test('requeueing by id clears given_up_at, and requeueing all leaves what was given up', async () => {
    const lease = await mailboxWithDead();
    await giveUpDeadLetters(db, lease.mailboxId);
    expect(await requeueDeadLetters(db, lease.mailboxId)).toBe(0);
    await requeueDeadLetters(db, lease.mailboxId, { gmailMessageIds: ['first'] });
    expect((await ledgerRow(db, lease, 'first')).given_up_at).toBeNull();
  });
});

describe('giveUpDeadLetters', () => {
  test('a message that is given up stays dead and listed without a retry, and keeps its first given_up_at', async () => {
    const lease = await mailboxWithDead();
    const { mailboxId } = lease;
    expect(await giveUpDeadLetters(db, mailboxId)).toBe(3);
    const before = await listDeadLetters(db, mailboxId);
    expect(before).toHaveLength(3);
    for (const letter of before) {
      expect(letter.nextAttemptAt).toBeNull();
      expect(letter.givenUpAt).not.toBeNull();
    }
    expect(await giveUpDeadLetters(db, mailboxId)).toBe(0);
    expect(await listDeadLetters(db, mailboxId)).toEqual(before);
    const all = { limit: 10, runStartedAt: new Date(Date.now() + 60_000), includesWaiting: true };
    expect(await claimRetries(db, lease, all)).toEqual([]);
    expect(await claimSuspect(db, lease, PRIORITY.backlog)).toEqual([]);
  });
});

test('readLedgerStates returns states by id and omits unknown ids', async () => {
  const { mailboxId } = await mailboxWithDead();
  expect(await readLedgerStates(db, mailboxId, ['killer', 'pending', 'unknown'])).toEqual(
    new Map([
      ['killer', { state: 'dead', errorCode: 'killed_process' }],
      ['pending', { state: 'pending', errorCode: null }],
    ]),
  );
});
