import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunFailure } from '../../shared/db/finish-run.ts';
import { type Lease, renewLease } from '../../shared/db/lease.ts';
import { noCounts } from '../../shared/db/runs.ts';
import {
  type AnyRow,
  addLiveMessages,
  changeMailbox,
  changeMessages,
  expireLease,
  finishRunOf,
  hint,
  insertMailbox,
  leasedMailbox,
  leaseOf,
  mailboxRow,
  take,
  takeOver,
} from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const FAILURE: RunFailure = {
  code: 'gmail_unavailable',
  title: 'Gmail is unavailable',
  detail: '503',
  minBackoffMs: 0,
};

async function begun(cursor?: string): Promise<{ lease: Lease; runId: number }> {
  const lease = leaseOf(await insertMailbox(db, cursor));
  return { lease, runId: (await take(db, lease))?.runId ?? 0 };
}

async function runRow(runId: number): Promise<AnyRow> {
  return (await db.query('select * from ingest_runs where id = $1', [runId])).rows[0];
}

async function statusRow(): Promise<AnyRow> {
  return (await db.query('select * from email_monitor_status')).rows[0];
}

/** Seconds from the end of the run to the next poll of the mailbox. */
async function waitOf({ mailboxId }: Lease, runId: number): Promise<number | null> {
  const { rows } = await db.query<{ wait: number | null }>(
    `select extract(epoch from m.next_poll_at - r.finished_at)::float8 as wait
     from mailboxes m, ingest_runs r
     where m.id = $1 and r.id = $2`,
    [mailboxId, runId],
  );
  return rows[0]?.wait ?? null;
}

describe('finishRun', () => {
  test('releases the lease and records the result of the run', async () => {
    const { lease, runId } = await begun('77');
    await changeMailbox(
      db,
      lease,
      "failure_count = 3, last_error = 'x', last_error_code = 'x', cursor_history_id = 88",
    );
    const counts = { discovered: 1, stored: 2, gone: 3, ignored: 4, failed: 5, dead: 6 };
    expect(
      await finishRunOf(db, lease, {
        runId,
        durationMs: 12.4,
        counts: { ...counts, quotaUnits: 7, rateLimited: 8, arrivalToStoredMaxMs: 9.4 },
      }),
    ).toEqual({
      failureCount: 0,
      cursorBefore: '77',
      cursorAfter: '88',
      deadTotal: 0,
      pendingTotal: 0,
      failingTotal: 0,
      liveWaitingSeconds: null,
      missingTotal: null,
      watchRemainingSeconds: null,
      queueOldestSeconds: null,
      queueDeadTotal: 0,
      notificationQueueUsage: expect.closeTo(0, 1),
    });
    expect(await runRow(runId)).toMatchObject({
      mailbox_id: lease.mailboxId,
      trigger: 'schedule',
      outcome: 'completed',
      duration_ms: 12,
      discovered_count: 1,
      stored_count: 2,
      gone_count: 3,
      ignored_count: 4,
      failed_count: 5,
      dead_count: 6,
      quota_units: 7,
      rate_limited_count: 8,
      arrival_to_stored_max_ms: 9,
      error_code: null,
      cursor_before: '77',
      cursor_after: '88',
    });
    const row = await mailboxRow(db, lease);
    expect(row).toMatchObject({
      failure_count: 0,
      last_error: null,
      last_error_code: null,
      lease_token: null,
      lease_holder: null,
      lease_expires_at: null,
    });
    expect(row.last_success_at).toEqual((await runRow(runId)).finished_at);
    expect(await statusRow()).toMatchObject({
      last_poll_at: row.last_success_at,
      last_error: null,
      last_error_code: null,
    });
    expect(await take(db, leaseOf(lease.mailboxId))).not.toBeNull();
  });

  test('records that no live email was stored, and caps a wait longer than the column holds', async () => {
    const first = await begun();
    await finishRunOf(db, first.lease, { runId: first.runId });
    expect((await runRow(first.runId)).arrival_to_stored_max_ms).toBeNull();
    const second = await begun();
    const counts = { ...noCounts(), arrivalToStoredMaxMs: 3e9 };
    await finishRunOf(db, second.lease, { runId: second.runId, counts });
    expect((await runRow(second.runId)).arrival_to_stored_max_ms).toBe(2_147_483_647);
  });

  test('keeps the lease and changes nothing while a newer hint is stored, even beyond 2^53', async () => {
    const { lease, runId } = await begun('9007199254740992');
    await changeMailbox(
      db,
      lease,
      'listed_history_id = 9007199254740992, shown_history_id = 9007199254740992',
    );
    await hint(db, lease, '9007199254740993');
    const before = [await mailboxRow(db, lease), await runRow(runId), await statusRow()];
    expect(await finishRunOf(db, lease, { runId })).toBe('newer_hint');
    expect([await mailboxRow(db, lease), await runRow(runId), await statusRow()]).toEqual(before);
    expect(await renewLease(db, lease)).toBe(true);
    await changeMailbox(
      db,
      lease,
      'listed_history_id = 9007199254740993, shown_history_id = 9007199254740993',
    );
    expect(await finishRunOf(db, lease, { runId })).toMatchObject({ failureCount: 0 });
    expect((await mailboxRow(db, lease)).lease_token).toBeNull();
  });

  test('keeps the lease for ten seconds while the record of a fresh hint has not been listed', async () => {
    const { lease, runId } = await begun();
    await hint(db, lease, '120');
    await changeMailbox(db, lease, 'listed_history_id = 120, shown_history_id = 110');
    expect(await finishRunOf(db, lease, { runId })).toBe('newer_hint');
    await changeMailbox(db, lease, "hint_at = now() - interval '11 seconds'");
    expect(await finishRunOf(db, lease, { runId })).not.toBe('newer_hint');
  });

  test('releases the lease despite a newer hint when releasesAnyway is set', async () => {
    const { lease, runId } = await begun();
    await hint(db, lease, '999');
    expect(await finishRunOf(db, lease, { runId, releasesAnyway: true })).not.toBe('newer_hint');
    expect((await mailboxRow(db, lease)).lease_token).toBeNull();
    expect((await runRow(runId)).outcome).toBe('completed');
  });

  test('finishRun changes only the run row when another instance has taken the lease', async () => {
    const { lease: late, runId } = await begun();
    const next = await takeOver(db, late);
    await hint(db, late, '999');
    const before = [await mailboxRow(db, late), await statusRow()];
    expect(await finishRunOf(db, late, { runId, failure: FAILURE })).toMatchObject({ failureCount: 0 });
    expect([await mailboxRow(db, late), await statusRow()]).toEqual(before);
    expect(await runRow(runId)).toMatchObject({ outcome: 'failed', error_code: 'gmail_unavailable' });
    expect(await renewLease(db, next)).toBe(true);
  });

  test('finishRun does not change the mailbox result after a lost lease that no other instance has taken', async () => {
    const { lease, runId } = await begun();
    await changeMailbox(db, lease, "failure_count = 2, next_poll_at = now() + interval '1 hour'");
    const { next_poll_at: nextPollAt } = await mailboxRow(db, lease);
    await expireLease(db, lease);
    const before = await statusRow();
    const failure = { ...FAILURE, code: 'lease_lost', title: 'Lost', detail: 'Another instance has it.' };
    expect(await finishRunOf(db, lease, { runId, failure })).toMatchObject({ failureCount: 0 });
    expect(await mailboxRow(db, lease)).toMatchObject({
      lease_token: null,
      failure_count: 2,
      next_poll_at: nextPollAt,
      last_error_code: null,
      last_success_at: null,
    });
    expect(await statusRow()).toEqual(before);
    expect(await runRow(runId)).toMatchObject({ error_code: 'lease_lost' });
  });

  test('finishRun may run twice when the first answer was lost', async () => {
    const { lease, runId } = await begun();
    await finishRunOf(db, lease, { runId, failure: FAILURE });
    const before = await mailboxRow(db, lease);
    expect(await finishRunOf(db, lease, { runId, failure: FAILURE })).toMatchObject({ cursorAfter: '100' });
    expect(await mailboxRow(db, lease)).toEqual(before);
  });

  test('finishRun fails for a mailbox that is gone', async () => {
    await expect(finishRunOf(db, leaseOf(0))).rejects.toMatchObject({ code: 'lease_lost' });
  });
});

describe('run totals', () => {
  test('the totals count only messages of the mailbox of the run', async () => {
    const { lease, runId } = await begun();
    await addLiveMessages(db, lease, 'new', 'failing', 'dead', 'given up');
    await addLiveMessages(db, await leasedMailbox(db), 'other', 'other dead');
    const failed = "last_attempt_at = now(), attempt_count = 1, error_code = 'gmail_unavailable'";
    await changeMessages(db, lease, failed, ['failing']);
    await db.query("update email_ledger set state = 'dead' where gmail_message_id = 'other dead'");
    await changeMessages(db, lease, "state = 'dead'", ['dead', 'given up']);
    await changeMessages(db, lease, 'given_up_at = now()', ['given up']);
    await changeMessages(db, lease, "discovered_at = now() - interval '90 seconds'", ['failing']);
    expect(await finishRunOf(db, lease, { runId })).toMatchObject({
      deadTotal: 1,
      pendingTotal: 2,
      failingTotal: 1,
      liveWaitingSeconds: expect.closeTo(90, -1),
    });
  });

  test('the wait of live mail does not include pending backlog', async () => {
    const { lease, runId } = await begun();
    await addLiveMessages(db, lease, 'a');
    await changeMessages(db, lease, 'priority = 1');
    expect(await finishRunOf(db, lease, { runId })).toMatchObject({
      pendingTotal: 1,
      liveWaitingSeconds: null,
    });
  });

  test('the totals include the missing count of the last reconciliation and the remaining time of the watch', async () => {
    const { lease, runId } = await begun();
    const { mailboxId } = lease;
    await db.query(
      `insert into reconciliations (mailbox_id, window_begins_at, is_full, query, evaluated_at, missing_count)
       values ($1, now(), false, '', now() - interval '1 hour', 3), ($1, now(), false, '', now(), 2),
              ($1, now(), false, '', null, null)`,
      [mailboxId],
    );
    await db.query(
      `insert into mailbox_watches (mailbox_id, topic, expires_at)
       values ($1, 'projects/p/topics/t', now() + interval '100 seconds')`,
      [mailboxId],
    );
    expect(await finishRunOf(db, lease, { runId, watchTopic: 'projects/p/topics/t' })).toMatchObject({
      missingTotal: 2,
      watchRemainingSeconds: expect.closeTo(100, -1),
    });
    await db.query("update mailbox_watches set expires_at = now() - interval '1 day' where mailbox_id = $1", [
      mailboxId,
    ]);
    expect(await finishRunOf(db, lease, { runId, watchTopic: 'projects/p/topics/t' })).toMatchObject({
      watchRemainingSeconds: 0,
    });
  });

  test('a watch that expires in thousands of years does not prevent the end of the run', async () => {
    const { lease, runId } = await begun();
    await db.query(
      `insert into mailbox_watches (mailbox_id, topic, expires_at)
       values ($1, 'projects/p/topics/t', '9999-12-31 00:00:00Z')`,
      [lease.mailboxId],
    );
    expect(await finishRunOf(db, lease, { runId, watchTopic: 'projects/p/topics/t' })).toMatchObject({
      watchRemainingSeconds: expect.toSatisfy((seconds: number) => seconds > 2 ** 31),
    });
  });
});

describe('backoff', () => {
  async function fail(lease: Lease, failure: RunFailure, nextPollMs: number | null): Promise<number | null> {
    const runId = (await take(db, lease))?.runId ?? 0;
    await finishRunOf(db, lease, { runId, failure, nextPollMs });
    return await waitOf(lease, runId);
  }

  test.each([
    ['1 s', 1_000],
    ['60 s', 60_000],
    ['a day', 86_400_000],
  ])('the backoff doubles from 5 s to 300 s with a poll interval of %s', async (_, nextPollMs) => {
    const lease = leaseOf(await insertMailbox(db));
    const waits: (number | null)[] = [];
    for (let n = 0; n < 8; n += 1) waits.push(await fail(lease, FAILURE, nextPollMs));
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 300, 300]);
    expect(await mailboxRow(db, lease)).toMatchObject({
      failure_count: 8,
      last_error_code: 'gmail_unavailable',
      last_error: '503',
      last_success_at: null,
    });
    expect(await statusRow()).toMatchObject({
      last_error_code: 'gmail_unavailable',
      last_error: 'Gmail is unavailable: 503',
    });
  });

  test('the backoff stays at 300 s after any number of failures', async () => {
    const lease = leaseOf(await insertMailbox(db));
    await changeMailbox(db, lease, 'failure_count = 100000');
    expect(await fail(lease, FAILURE, 0)).toBe(300);
  });

  test.each([
    [12_000, 12],
    [1_000, 5],
    [900_000, 900],
  ])('the backoff is at least as long as a Retry-After of %i ms', async (minBackoffMs, expected) => {
    const lease = leaseOf(await insertMailbox(db));
    expect(await fail(lease, { ...FAILURE, minBackoffMs }, 0)).toBe(expected);
  });
});

describe('next poll', () => {
  test.each([
    ['is due at once without a poll interval', { nextPollMs: 0, failures: 0 }, null],
    ['is due after the poll interval', { nextPollMs: 45_000, failures: 0 }, 45],
    ['is due at once when the run was a push that ended a backoff', { nextPollMs: null, failures: 2 }, null],
  ])('the next poll after a successful run %s', async (_, { nextPollMs, failures }, expected) => {
    const { lease, runId } = await begun();
    await changeMailbox(
      db,
      lease,
      `failure_count = ${failures}, next_poll_at = now() + interval '30 seconds'`,
    );
    await finishRunOf(db, lease, { runId, nextPollMs });
    expect(await waitOf(lease, runId)).toBe(expected);
  });

  test('the next poll stays unchanged after a successful push run', async () => {
    const { lease, runId } = await begun();
    await changeMailbox(db, lease, "next_poll_at = now() + interval '30 seconds'");
    const { next_poll_at: before } = await mailboxRow(db, lease);
    await finishRunOf(db, lease, { runId, nextPollMs: null });
    expect((await mailboxRow(db, lease)).next_poll_at).toEqual(before);
  });
});
