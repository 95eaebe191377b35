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
import { changeMessages, enterLive, leasedMailbox, ledgerRow } from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

/** Two dead of one error, one that killed its process, and a pending message. */
async function mailboxWithDead(): Promise<Lease> {
  const lease = await leasedMailbox(db);
  await enterLive(db, lease, 'second', 'first', 'killer', 'pending');
  await changeMessages(
    db,
    lease,
    `state = 'dead', attempt_count = 8, last_attempt_at = now(), next_attempt_at = now() + interval '1 day',
     resolved_at = now() - interval '1 hour', error_code = 'gmail_rejected', error_detail = '400'`,
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

test('dead letters are listed by error, then in the order of their end', async () => {
  const lease = await mailboxWithDead();
  expect(await listedIds(lease)).toEqual(['first', 'second', 'killer']);
  const row = await ledgerRow(db, lease, 'first');
  expect((await listDeadLetters(db, lease.mailboxId))[0]).toEqual({
    gmailMessageId: 'first',
    attemptCount: 8,
    errorCode: 'gmail_rejected',
    errorDetail: '400',
    diedAt: row.resolved_at,
    nextAttemptAt: row.next_attempt_at,
    givenUpAt: null,
  });
});

test.each([
  [{ gmailMessageIds: ['killer', 'pending', 'unknown'] }, ['killer']],
  [{ errorCodes: ['gmail_rejected'] }, ['first', 'second']],
  [{ gmailMessageIds: ['first', 'killer'], errorCodes: ['gmail_rejected'] }, ['first']],
  [{ gmailMessageIds: [] }, []],
])('%j selects the dead letters %j and no others', async (selection, expected) => {
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

test('the dead letters of one mailbox are not those of another', async () => {
  const [lease, other] = [await mailboxWithDead(), await mailboxWithDead()];
  expect(await requeueDeadLetters(db, lease.mailboxId)).toBe(3);
  expect(await listedIds(lease)).toEqual([]);
  expect(await listedIds(other)).toHaveLength(3);
});

describe('requeueing', () => {
  test('makes a message due with all its attempts, once', async () => {
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

  test('leaves a message that killed its process to be fetched alone', async () => {
    const lease = await mailboxWithDead();
    await requeueDeadLetters(db, lease.mailboxId);
    expect(await ledgerRow(db, lease, 'killer')).toMatchObject({ crash_count: 0, is_crash_suspect: true });
    expect(await claimSuspect(db, lease, PRIORITY.live)).toMatchObject([{ gmailMessageId: 'killer' }]);
  });

  test('takes back that a message was given up', async () => {
    const lease = await mailboxWithDead();
    await giveUpDeadLetters(db, lease.mailboxId);
    await requeueDeadLetters(db, lease.mailboxId);
    expect((await ledgerRow(db, lease, 'first')).given_up_at).toBeNull();
  });
});

describe('giving up', () => {
  test('keeps a message dead and listed, without a retry, and keeps the first time', async () => {
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

test('the states of messages are read by id, and unknown ids are left out', async () => {
  const { mailboxId } = await mailboxWithDead();
  expect(await readLedgerStates(db, mailboxId, ['killer', 'pending', 'unknown'])).toEqual(
    new Map([
      ['killer', { state: 'dead', errorCode: 'killed_process' }],
      ['pending', { state: 'pending', errorCode: null }],
    ]),
  );
});
