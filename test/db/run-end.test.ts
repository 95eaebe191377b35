import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Fence, mustLookAgain, renewLease, takeLease } from '../../shared/db/lease.ts';
import { addUpLedgerChanges } from '../../shared/db/ledger-counts.ts';
import { recordHint } from '../../shared/db/mailboxes.ts';
import { noCounts } from '../../shared/ingest/run.ts';
import {
  type AnyRow,
  endRunOf,
  enterLive,
  expireLease,
  fenceOf,
  insertMailbox,
  leasedMailbox,
  mailboxRow,
} from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const NEXT = { holder: 'next', trigger: 'schedule' } as const;
const FAILURE = { code: 'gmail_unavailable', title: 'Gmail is away', detail: '503' };
const at = (endHistoryId: string, shownHistoryId = endHistoryId) => ({ endHistoryId, shownHistoryId });

async function begun(cursor?: string): Promise<{ fence: Fence; runId: number }> {
  const fence = fenceOf(await insertMailbox(db, cursor));
  return { fence, runId: (await takeLease(db, fence, NEXT))?.runId ?? 0 };
}

async function hint(fence: Fence, historyId: string): Promise<void> {
  const { email_address: emailAddress } = await mailboxRow(db, fence);
  await recordHint(db, { emailAddress, historyId });
}

async function runRow(runId: number): Promise<AnyRow> {
  return (await db.query('select * from ingest_runs where id = $1', [runId])).rows[0];
}

async function statusRow(): Promise<AnyRow> {
  return (await db.query('select * from email_monitor_status')).rows[0];
}

/** Seconds from now to the mailbox's next poll. */
async function waitOf({ mailboxId }: Fence): Promise<number | null> {
  const { rows } = await db.query<{ wait: number | null }>(
    'select extract(epoch from next_poll_at - now())::float8 as wait from mailboxes where id = $1',
    [mailboxId],
  );
  return rows[0]?.wait ?? null;
}

describe('the end of a run', () => {
  test('frees the mailbox for the next, and says how it went', async () => {
    const { fence, runId } = await begun('77');
    await db.query("update mailboxes set failure_count = 3, last_error = 'x' where id = $1", [
      fence.mailboxId,
    ]);
    const counts = { ...noCounts(), discovered: 1, stored: 2, gone: 3, ignored: 4, failed: 5, dead: 6 };
    const end = {
      runId,
      durationMs: 12.4,
      counts: { ...counts, quotaUnits: 7, refused: 8, arrivalToStoredMaxMs: 9 },
    };
    expect(await endRunOf(db, fence, { ...end, seen: at('100') })).toEqual({
      failureCount: 0,
      cursorBefore: '77',
      cursorAfter: '77',
      deadTotal: 0,
      pendingTotal: 0,
      liveWaitingSeconds: null,
      missingTotal: null,
      watchRemainingSeconds: null,
      hasOldRuns: false,
      hasLedgerChanges: false,
    });
    expect(await runRow(runId)).toMatchObject({
      outcome: 'completed',
      duration_ms: 12,
      discovered_count: 1,
      stored_count: 2,
      gone_count: 3,
      ignored_count: 4,
      failed_count: 5,
      dead_count: 6,
      quota_units: 7,
      refused_count: 8,
      arrival_to_stored_max_ms: 9,
      error_code: null,
      cursor_after: '77',
    });
    const row = await mailboxRow(db, fence);
    expect(row).toMatchObject({ failure_count: 0, last_error: null, lease_token: null, lease_holder: null });
    expect(row.last_success_at).not.toBeNull();
    expect(await takeLease(db, fenceOf(fence.mailboxId), NEXT)).not.toBeNull();
  });

  test('is kept back while a newer hint stands, beyond 2^53 too, and has changed nothing then', async () => {
    const { fence, runId } = await begun('9007199254740992');
    await hint(fence, '9007199254740993');
    const before = [await mailboxRow(db, fence), await runRow(runId), await statusRow()];
    const seen = at('9007199254740992');
    expect(await mustLookAgain(db, fence, seen)).toBe(true);
    expect(await endRunOf(db, fence, { runId, seen })).toBe('look_again');
    expect([await mailboxRow(db, fence), await runRow(runId), await statusRow()]).toEqual(before);
    expect(await renewLease(db, fence)).toBe(true);
    expect(await endRunOf(db, fence, { runId, seen: at('9007199254740993') })).not.toBe('look_again');
  });

  test('is kept back while a fresh hint names what Gmail has not listed yet, and not for ever', async () => {
    const { fence, runId } = await begun();
    await hint(fence, '120');
    const end = { runId, seen: at('120', '110') };
    expect(await endRunOf(db, fence, end)).toBe('look_again');
    await db.query("update mailboxes set hint_at = now() - interval '11 seconds' where id = $1", [
      fence.mailboxId,
    ]);
    expect(await endRunOf(db, fence, end)).not.toBe('look_again');
  });

  test('comes whatever stands announced when the run ends early', async () => {
    const { fence, runId } = await begun();
    await hint(fence, '999');
    expect(await endRunOf(db, fence, { runId, seen: null })).not.toBe('look_again');
    expect(await mailboxRow(db, fence)).toMatchObject({ lease_token: null });
  });

  test('without the lease changes its own row and nothing of the mailbox', async () => {
    const { fence: late, runId } = await begun();
    await expireLease(db, late);
    const next = fenceOf(late.mailboxId);
    await takeLease(db, next, NEXT);
    const before = [await mailboxRow(db, late), await statusRow()];
    expect(await endRunOf(db, late, { runId, failure: FAILURE })).toMatchObject({ failureCount: 0 });
    expect([await mailboxRow(db, late), await statusRow()]).toEqual(before);
    expect(await runRow(runId)).toMatchObject({ outcome: 'failed', error_code: 'gmail_unavailable' });
    expect(await renewLease(db, next)).toBe(true);
  });

  test('does not speak for the mailbox after the loss of a lease that nobody has taken', async () => {
    const { fence, runId } = await begun();
    await db.query('update mailboxes set failure_count = 2 where id = $1', [fence.mailboxId]);
    const before = await statusRow();
    const failure = { code: 'lease_lost', title: 'Lost', detail: 'Another has it.' };
    expect(await endRunOf(db, fence, { runId, failure })).toMatchObject({ failureCount: 0 });
    expect(await mailboxRow(db, fence)).toMatchObject({
      lease_token: null,
      failure_count: 2,
      last_error_code: null,
      last_success_at: null,
    });
    expect(await statusRow()).toEqual(before);
    expect(await runRow(runId)).toMatchObject({ error_code: 'lease_lost' });
  });

  test('may be written twice, when the first answer was lost', async () => {
    const { fence, runId } = await begun();
    await endRunOf(db, fence, { runId, failure: FAILURE });
    const before = await mailboxRow(db, fence);
    expect(await endRunOf(db, fence, { runId, failure: FAILURE })).toMatchObject({ cursorAfter: '100' });
    expect(await mailboxRow(db, fence)).toEqual(before);
  });

  test('counts what is left of its own mailbox only', async () => {
    const { fence, runId } = await begun();
    await enterLive(db, fence, 'a', 'b');
    await enterLive(db, await leasedMailbox(db), 'c');
    await db.query("update email_ledger set state = 'dead' where gmail_message_id = 'b'");
    expect(await endRunOf(db, fence, { runId })).toMatchObject({
      deadTotal: 1,
      pendingTotal: 1,
      liveWaitingSeconds: 0,
    });
  });
});

describe('the end of a run says what is to be tidied up', () => {
  test('runs that are a day beyond their time', async () => {
    const { fence, runId } = await begun();
    const add = async (age: string) =>
      await db.query("insert into ingest_runs (trigger, started_at) values ('push', now() - $1::interval)", [
        age,
      ]);
    await add('90 days 12 hours');
    expect(await endRunOf(db, fence, { runId })).toMatchObject({ hasOldRuns: false });
    await add('91 days 1 hour');
    expect(await endRunOf(db, fence, { runId })).toMatchObject({ hasOldRuns: true });
    await db.query("delete from ingest_runs where started_at < now() - interval '90 days'");
  });

  test('changes of the ledger that are worth adding up', async () => {
    const { fence, runId } = await begun();
    for (let n = 0; n < 200; n += 1) await enterLive(db, fence, `${n}`);
    expect(await endRunOf(db, fence, { runId })).toMatchObject({ hasLedgerChanges: true });
    await addUpLedgerChanges(db);
    expect(await endRunOf(db, fence, { runId })).toMatchObject({ hasLedgerChanges: false });
  });
});

describe('the next poll', () => {
  test('waits twice as long after each failure, up to the cap', async () => {
    const fence = fenceOf(await insertMailbox(db));
    const waits: number[] = [];
    for (let n = 0; n < 4; n += 1) {
      const taken = await takeLease(db, fence, NEXT);
      const ended = await endRunOf(db, fence, { runId: taken?.runId ?? 0, failure: FAILURE });
      expect(ended).toMatchObject({ failureCount: n + 1 });
      waits.push(Math.ceil((await waitOf(fence)) ?? 0));
    }
    expect(waits).toEqual([120, 240, 300, 300]);
    expect(await mailboxRow(db, fence)).toMatchObject({
      last_error_code: 'gmail_unavailable',
      last_error: '503',
    });
    expect(await statusRow()).toMatchObject({ last_error: 'Gmail is away: 503' });
  });

  test.each([
    ['at once without a wait', { waitMs: 0, failures: 0 }, null],
    ['after the wait', { waitMs: 45_000, failures: 0 }, 45],
    ['as it was, after a push', { waitMs: null, failures: 0 }, 30],
    ['at once, after a push that forgave failures', { waitMs: null, failures: 2 }, null],
  ])('comes %s', async (_, { waitMs, failures }, expected) => {
    const { fence, runId } = await begun();
    await db.query(
      "update mailboxes set failure_count = $2, next_poll_at = now() + interval '30 seconds' where id = $1",
      [fence.mailboxId, failures],
    );
    await endRunOf(db, fence, { runId, waitMs });
    const wait = await waitOf(fence);
    expect(wait === null ? null : Math.ceil(wait)).toBe(expected);
  });
});
