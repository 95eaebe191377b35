import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type ClaimQuery,
  claimDue,
  endAttempt,
  hasLiveSuspects,
  refundAttempts,
} from '../../shared/db/attempts.ts';
import { buryExhausted, reviveDead } from '../../shared/db/dead-messages.ts';
import type { Fence } from '../../shared/db/lease.ts';
import {
  enterSightings,
  type LedgerSource,
  PRIORITY,
  readmit,
  type Sighting,
} from '../../shared/db/ledger.ts';
import { enterLive, leasedMailbox, ledgerRow, sighting } from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const SOON = 60_000;
/** A run that begins after everything that stands there. */
const nextRun = () => new Date(Date.now() + SOON);

async function enter(fence: Fence, source: LedgerSource, priority: number, ...entries: Sighting[]) {
  return await enterSightings(db, fence.mailboxId, source, priority, entries);
}

async function claim(fence: Fence, query: Partial<ClaimQuery> = {}): Promise<string[]> {
  const claims = await claimDue(db, fence, {
    limit: 100,
    runStartedAt: new Date(),
    ignoreWaits: false,
    suspects: false,
    ...query,
  });
  return claims.map((one) => one.gmailMessageId);
}

const retryLater = {
  state: 'pending',
  code: 'gmail_unavailable',
  detail: 'x',
  waitMs: 20_000,
  counts: true,
} as const;

/** Claims and fails so often. */
async function fail(fence: Fence, id: string, times: number): Promise<void> {
  for (let done = 0; done < times; done += 1) {
    await claim(fence, { ignoreWaits: true, runStartedAt: nextRun() });
    await endAttempt(db, fence, id, retryLater);
  }
}

async function storedAs(fence: Fence, id: string): Promise<void> {
  await db.query(
    `update email_ledger set state = 'stored', attempt_open = false, settled_at = now()
     where mailbox_id = $1::integer and gmail_message_id = $2::text`,
    [fence.mailboxId, id],
  );
}

describe('entering', () => {
  test('takes an id once, whatever shows it again', async () => {
    const fence = await leasedMailbox(db);
    expect(await enter(fence, 'history', 0, sighting('a', { historyId: '7' }), sighting('b'))).toEqual({
      newCount: 2,
      newIds: ['a', 'b'],
      oldestNewHistoryId: '7',
    });
    expect(await enter(fence, 'history', 0, sighting('a', { historyId: '9' }))).toEqual({
      newCount: 0,
      newIds: [],
      oldestNewHistoryId: null,
    });
    expect(await enter(fence, 'backfill', 1, sighting('a', { checkLabels: true }))).toMatchObject({
      newCount: 0,
    });
    expect(await ledgerRow(db, fence, 'a')).toMatchObject({
      history_id: '7',
      source: 'history',
      check_labels: false,
    });
  });

  test('keeps the mailboxes apart', async () => {
    const one = await leasedMailbox(db);
    const other = await leasedMailbox(db);
    await enterLive(db, one, 'same');
    await enterLive(db, other, 'same');
    await storedAs(one, 'same');
    expect((await ledgerRow(db, other, 'same')).state).toBe('pending');
  });

  test.each(['stored', 'dead'])('changes nothing of what is %s', async (state) => {
    const fence = await leasedMailbox(db);
    await enterLive(db, fence, 'a');
    await db.query('update email_ledger set state = $2, settled_at = now() where mailbox_id = $1', [
      fence.mailboxId,
      state,
    ]);
    const before = await ledgerRow(db, fence, 'a');
    await enter(fence, 'history', 0, sighting('a', { historyId: '9' }));
    await enter(fence, 'backfill', 1, sighting('a', { checkLabels: true }));
    await readmit(db, fence.mailboxId, ['a']);
    expect(await ledgerRow(db, fence, 'a')).toEqual(before);
  });

  test.each(['backfill', 'gap', 'proof'] as const)(
    'takes up what was thought gone when a %s lists it',
    async (source) => {
      const fence = await leasedMailbox(db);
      await enterLive(db, fence, 'a');
      await db.query("update email_ledger set state = 'gone', attempt_count = 3 where mailbox_id = $1", [
        fence.mailboxId,
      ]);
      await enter(fence, 'history', 0, sighting('a', { historyId: '9' }));
      expect((await ledgerRow(db, fence, 'a')).state).toBe('gone');
      await enter(fence, source, 1, sighting('a', { checkLabels: true }));
      expect(await ledgerRow(db, fence, 'a')).toMatchObject({ state: 'pending', source, attempt_count: 0 });
    },
  );

  test('keeps what a rule leaves out with the rule, and lets it in when a later sighting does', async () => {
    const fence = await leasedMailbox(db);
    await enter(fence, 'history', 0, sighting('a', { ignoredRule: 'spam' }));
    expect(await ledgerRow(db, fence, 'a')).toMatchObject({ state: 'ignored', ignored_rule: 'spam' });
    expect(await claim(fence)).toEqual([]);
    await enter(fence, 'history', 0, sighting('a', { ignoredRule: 'spam' }));
    expect((await ledgerRow(db, fence, 'a')).state).toBe('ignored');
    await enter(fence, 'history', 0, sighting('a'));
    expect(await ledgerRow(db, fence, 'a')).toMatchObject({
      state: 'pending',
      ignored_rule: null,
      settled_at: null,
    });
  });

  test('checks the labels of an ignored message that only a listing lets in', async () => {
    const fence = await leasedMailbox(db);
    await enter(fence, 'history', 0, sighting('draft', { ignoredRule: 'draft' }));
    await enter(fence, 'backfill', PRIORITY.backlog, sighting('draft', { checkLabels: true }));
    expect(await ledgerRow(db, fence, 'draft')).toMatchObject({
      state: 'pending',
      check_labels: true,
      priority: 1,
    });
  });

  test('does not read a message again because its history record, without labels, comes again', async () => {
    const fence = await leasedMailbox(db);
    const unknown = sighting('a', { historyId: '7', checkLabels: true });
    await enter(fence, 'history', 0, unknown);
    await claim(fence);
    await endAttempt(db, fence, 'a', { state: 'ignored', rule: 'draft' });
    await enter(fence, 'history', 0, unknown);
    expect((await ledgerRow(db, fence, 'a')).state).toBe('ignored');
    await enter(fence, 'history', 0, sighting('a', { historyId: '8' }));
    expect((await ledgerRow(db, fence, 'a')).state).toBe('pending');
  });

  test('makes live mail of what a listing found first', async () => {
    const fence = await leasedMailbox(db);
    await enter(fence, 'initial', PRIORITY.backlog, sighting('a', { checkLabels: true }));
    await fail(fence, 'a', 1);
    await enter(fence, 'history', PRIORITY.live, sighting('a', { historyId: '9' }));
    expect(await ledgerRow(db, fence, 'a')).toMatchObject({
      priority: 0,
      check_labels: false,
      attempt_count: 1,
    });
    await enter(fence, 'backfill', PRIORITY.backlog, sighting('a', { checkLabels: true }));
    expect(await ledgerRow(db, fence, 'a')).toMatchObject({ priority: 0, check_labels: false });
  });

  test('readmits only what a rule left out, without asking for the labels again', async () => {
    const fence = await leasedMailbox(db);
    await enter(fence, 'history', 0, sighting('spam', { ignoredRule: 'spam' }), sighting('other'));
    await db.query(
      "update email_ledger set check_labels = true where gmail_message_id = 'spam' and mailbox_id = $1",
      [fence.mailboxId],
    );
    expect(await readmit(db, fence.mailboxId, ['spam', 'other', 'unknown'])).toBe(1);
    expect(await ledgerRow(db, fence, 'spam')).toMatchObject({ state: 'pending', check_labels: false });
    expect(await ledgerRow(db, fence, 'unknown')).toBeUndefined();
  });
});

describe('claiming', () => {
  test('counts the attempt before it starts', async () => {
    const fence = await leasedMailbox(db);
    await enterLive(db, fence, 'a');
    expect(await claim(fence)).toEqual(['a']);
    expect(await ledgerRow(db, fence, 'a')).toMatchObject({ attempt_count: 1, attempt_open: true });
    expect(await claim(fence, { ignoreWaits: true })).toEqual([]);
  });

  test('takes live mail before backlog, as much as it is asked for', async () => {
    const fence = await leasedMailbox(db);
    await enter(fence, 'backfill', PRIORITY.backlog, sighting('old1'), sighting('old2'));
    await enterLive(db, fence, 'new1', 'new2');
    expect(await claim(fence, { limit: 3 })).toEqual(['new1', 'new2', 'old1']);
  });

  test('takes what was never tried before what failed, and then what failed longest ago', async () => {
    const fence = await leasedMailbox(db);
    await enterLive(db, fence, 'b', 'a');
    for (const id of ['a', 'b']) {
      await db.query(
        `update email_ledger set attempt_count = 1, last_attempt_at = now() - $3::integer * interval '1 hour'
         where mailbox_id = $1 and gmail_message_id = $2`,
        [fence.mailboxId, id, id === 'a' ? 2 : 1],
      );
    }
    await enterLive(db, fence, 'fresh');
    for (const expected of ['fresh', 'a', 'b']) expect(await claim(fence, { limit: 1 })).toEqual([expected]);
  });

  test('leaves what waits for its next attempt, unless it is told to try everything once a run', async () => {
    const fence = await leasedMailbox(db);
    await enterLive(db, fence, 'a');
    await fail(fence, 'a', 1);
    expect(await claim(fence)).toEqual([]);
    const runStartedAt = nextRun();
    expect(await claim(fence, { ignoreWaits: true, runStartedAt })).toEqual(['a']);
    await endAttempt(db, fence, 'a', retryLater);
    await db.query(
      "update email_ledger set last_attempt_at = now() + interval '2 minutes' where mailbox_id = $1",
      [fence.mailboxId],
    );
    expect(await claim(fence, { ignoreWaits: true, runStartedAt })).toEqual([]);
  });

  test('leaves suspects aside, and gives only them when it is asked for them, longest untried first', async () => {
    const fence = await leasedMailbox(db);
    await enterLive(db, fence, 'killer', 'bystander', 'fresh');
    await db.query(
      `update email_ledger
       set attempt_open = true, attempt_count = 1,
           last_attempt_at = now() - case gmail_message_id when 'killer' then 1 else 2 end * interval '1 minute'
       where mailbox_id = $1 and gmail_message_id <> 'fresh'`,
      [fence.mailboxId],
    );
    expect(await hasLiveSuspects(db, fence.mailboxId, new Date())).toBe(true);
    expect(await claim(fence)).toEqual(['fresh']);
    expect(await claim(fence, { suspects: true, limit: 1 })).toEqual(['bystander']);
    expect(await claim(fence, { suspects: true, limit: 1 })).toEqual(['killer']);
    // Both are open by this run now: nobody's suspects until it dies.
    const started = new Date(Date.now() - SOON);
    expect(await claim(fence, { suspects: true, runStartedAt: started })).toEqual([]);
    expect(await hasLiveSuspects(db, fence.mailboxId, started)).toBe(false);
  });
});

describe('ending', () => {
  test('an attempt ends once', async () => {
    const fence = await leasedMailbox(db);
    await enterLive(db, fence, 'a');
    await fail(fence, 'a', 2);
    await claim(fence, { ignoreWaits: true, runStartedAt: nextRun() });
    const handBack = { ...retryLater, counts: false };
    await endAttempt(db, fence, 'a', handBack);
    await endAttempt(db, fence, 'a', handBack);
    expect(await ledgerRow(db, fence, 'a')).toMatchObject({ attempt_count: 2, attempt_open: false });
  });

  test('what is stored is not ended again', async () => {
    const fence = await leasedMailbox(db);
    await enterLive(db, fence, 'a');
    await claim(fence);
    await storedAs(fence, 'a');
    await endAttempt(db, fence, 'a', { state: 'gone' });
    expect((await ledgerRow(db, fence, 'a')).state).toBe('stored');
  });

  test('buries what failed as often as a message may, with its last reason', async () => {
    const fence = await leasedMailbox(db);
    await enterLive(db, fence, 'a', 'b');
    await fail(fence, 'a', 8);
    await endAttempt(db, fence, 'b', { ...retryLater, counts: false });
    const buried = await buryExhausted(db, fence, { maxAttempts: 8, runStartedAt: new Date() });
    expect(buried).toEqual([{ gmailMessageId: 'a', attempts: 8, errorCode: 'gmail_unavailable' }]);
    expect(await ledgerRow(db, fence, 'a')).toMatchObject({ state: 'dead', error_detail: 'x' });
    expect((await ledgerRow(db, fence, 'b')).state).toBe('pending');
  });

  test('buries what killed its process so often, but not what this run has in hand', async () => {
    const fence = await leasedMailbox(db);
    await enterLive(db, fence, 'killer', 'in hand');
    await db.query('update email_ledger set attempt_count = 7 where mailbox_id = $1', [fence.mailboxId]);
    await claim(fence);
    await db.query(
      "update email_ledger set last_attempt_at = now() - interval '1 hour' where mailbox_id = $1 and gmail_message_id = 'killer'",
      [fence.mailboxId],
    );
    const runStartedAt = new Date(Date.now() - SOON);
    const buried = await buryExhausted(db, fence, { maxAttempts: 8, runStartedAt });
    expect(buried).toEqual([{ gmailMessageId: 'killer', attempts: 8, errorCode: 'killed_process' }]);
    expect((await ledgerRow(db, fence, 'in hand')).state).toBe('pending');
  });

  test('gives the dead their attempts back, and reads those that killed their process alone again', async () => {
    const fence = await leasedMailbox(db);
    await enterLive(db, fence, 'failed', 'killer');
    await db.query(
      `update email_ledger
       set state = 'dead', attempt_count = 8, last_attempt_at = now() - interval '1 hour', settled_at = now(),
           error_code = case gmail_message_id when 'killer' then 'killed_process' else 'gmail_refused' end
       where mailbox_id = $1`,
      [fence.mailboxId],
    );
    expect(await reviveDead(db, fence.mailboxId)).toBe(2);
    const runStartedAt = new Date(Date.now() - SOON);
    expect(await claim(fence, { runStartedAt })).toEqual(['failed']);
    expect(await claim(fence, { runStartedAt, suspects: true })).toEqual(['killer']);
    expect((await ledgerRow(db, fence, 'killer')).attempt_count).toBe(1);
  });

  test('refunds an attempt that has ended, makes it due, and never goes below none', async () => {
    const fence = await leasedMailbox(db);
    await enterLive(db, fence, 'a', 'open', 'untried');
    await claim(fence, { limit: 2 });
    await endAttempt(db, fence, 'a', retryLater);
    await refundAttempts(db, fence, ['a', 'open', 'untried']);
    expect(await ledgerRow(db, fence, 'a')).toMatchObject({ attempt_count: 0 });
    expect(await ledgerRow(db, fence, 'open')).toMatchObject({ attempt_count: 1, attempt_open: true });
    expect(await ledgerRow(db, fence, 'untried')).toMatchObject({ attempt_count: 0 });
    for (const id of ['untried', 'a']) expect(await claim(fence, { limit: 1 })).toEqual([id]);
  });
});

test('the order of claims comes from the index, however long the backlog', async () => {
  const fence = await leasedMailbox(db);
  await db.query(
    `insert into email_ledger (mailbox_id, gmail_message_id, source, priority)
     select $1, n::text, 'backfill', 1 from generate_series(1, 20000) n`,
    [fence.mailboxId],
  );
  await db.query('analyze email_ledger');
  const { rows } = await db.query<{ 'QUERY PLAN': string }>(
    `explain select id from email_ledger
     where mailbox_id = ${fence.mailboxId} and state = 'pending' and priority <= 1 and next_attempt_at <= now()
     order by priority, last_attempt_at nulls first, id limit 5`,
  );
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  expect(plan).toContain('idx_email_ledger_pending');
  expect(plan).not.toContain('Sort');
});
