import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DueWork, hasMessages, readDueWork } from '../../shared/db/due-work.ts';
import type { Lease } from '../../shared/db/lease.ts';
import { compactLedgerChanges } from '../../shared/db/pruning.ts';
import { storeEmails } from '../helpers/email-queue.ts';
import { age } from '../helpers/expired-emails.ts';
import { addLiveMessages, changeMessages, leasedMailbox } from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const RECONCILE_EVERY_SECONDS = 900;

const NOTHING: DueWork = {
  isRunning: false,
  hasUntriedLive: false,
  hasUntriedBacklog: false,
  hasDueRetry: false,
  hasWaiting: false,
  hasSuspect: false,
  hasListJob: false,
  isReconciliationDue: false,
  hasOpenReconciliation: false,
  hasOpenIncident: false,
  hasOldRecords: false,
  hasOldEmailAccesses: false,
  hasOldRuns: false,
  hasLedgerChanges: false,
  hasExpiredEmails: false,
  hasOldBucketObjects: false,
};

/** A mailbox without due work: its last reconciliation has just been evaluated. */
async function quietMailbox(): Promise<Lease> {
  const lease = await leasedMailbox(db);
  await db.query(
    `insert into reconciliations (mailbox_id, window_begins_at, is_full, query, listed_at, evaluated_at)
     values ($1, now(), false, '', now(), now())`,
    [lease.mailboxId],
  );
  return lease;
}

async function read({ mailboxId }: Lease, retentionDays: number | null = null): Promise<DueWork> {
  return await readDueWork(db, mailboxId, RECONCILE_EVERY_SECONDS, retentionDays);
}

test('no work is due when all messages are final and the last reconciliation is recent', async () => {
  const lease = await quietMailbox();
  await addLiveMessages(db, lease, 'stored', 'gone');
  await changeMessages(db, lease, "state = 'stored', resolved_at = now()", ['stored']);
  await changeMessages(db, lease, "state = 'gone', resolved_at = now(), last_attempt_at = now()", ['gone']);
  const due = await read(lease);
  expect(due).toEqual(NOTHING);
  expect(hasMessages(due)).toBe(false);
});

describe('messages', () => {
  const later = "next_attempt_at = now() + interval '1 hour'";

  test.each<[string, string, Partial<DueWork>]>([
    ['a live message that was never tried', 'priority = 0', { hasUntriedLive: true }],
    ['a backlog message that was never tried', 'priority = 1', { hasUntriedBacklog: true }],
    ['a failed message that is due', 'last_attempt_at = now()', { hasDueRetry: true }],
    ['a failed message that waits', `last_attempt_at = now(), ${later}`, { hasWaiting: true }],
    [
      'a dead message that is due for its daily retry',
      "state = 'dead', last_attempt_at = now()",
      { hasDueRetry: true },
    ],
    ['a dead message that waits', `state = 'dead', last_attempt_at = now(), ${later}`, {}],
    ['a message that was given up', "state = 'dead', last_attempt_at = now(), given_up_at = now()", {}],
    ['a message that may have crashed a process', 'is_crash_suspect = true', { hasSuspect: true }],
    [
      'a message that crashed a process and waits for its daily retry',
      `state = 'dead', is_crash_suspect = true, last_attempt_at = now(), ${later}`,
      {},
    ],
    ['a message that a run is fetching', 'claim_token = gen_random_uuid()', {}],
  ])('reports the right flags for %s', async (_, set, expected) => {
    const lease = await quietMailbox();
    await addLiveMessages(db, lease, 'a');
    await changeMessages(db, lease, set);
    const due = await read(lease);
    expect(due).toEqual({ ...NOTHING, ...expected });
    expect(hasMessages(due)).toBe(Object.keys(expected).length > 0);
  });
});

describe('maintenance', () => {
  test.each<[string, string, Partial<DueWork>]>([
    [
      'a listing that can be continued',
      "insert into list_jobs (mailbox_id, purpose, query) values ($1, 'backfill', '')",
      { hasListJob: true },
    ],
    [
      'a listing that waits',
      `insert into list_jobs (mailbox_id, purpose, query, not_before)
       values ($1, 'backfill', '', now() + interval '1 hour')`,
      {},
    ],
    [
      'a listing that is finished',
      "insert into list_jobs (mailbox_id, purpose, query, finished_at) values ($1, 'backfill', '', now())",
      {},
    ],
    [
      'a reconciliation that is due',
      "update reconciliations set started_at = now() - interval '901 seconds' where mailbox_id = $1",
      { isReconciliationDue: true },
    ],
    [
      'the first reconciliation of a mailbox',
      'delete from reconciliations where mailbox_id = $1',
      { isReconciliationDue: true },
    ],
    [
      'an open reconciliation, which prevents another one',
      `insert into reconciliations (mailbox_id, window_begins_at, is_full, query, started_at)
       values ($1, now(), false, '', now() - interval '1 day')`,
      { hasOpenReconciliation: true },
    ],
    [
      'an open reconciliation that waits',
      `insert into reconciliations (mailbox_id, window_begins_at, is_full, query, not_before)
       values ($1, now(), false, '', now() + interval '1 hour')`,
      {},
    ],
    [
      'an open incident',
      "insert into incidents (mailbox_id, kind) values ($1, 'history_expired')",
      { hasOpenIncident: true },
    ],
    [
      'a closed incident',
      "insert into incidents (mailbox_id, kind, closed_at) values ($1, 'history_expired', now())",
      {},
    ],
  ])('reports the right flags for %s', async (_, change, expected) => {
    const lease = await quietMailbox();
    await db.query(change, [lease.mailboxId]);
    expect(await read(lease)).toEqual({ ...NOTHING, ...expected });
  });

  test('old records are due a day after their retention ends', async () => {
    const lease = await quietMailbox();
    const age = async (days: number) =>
      await db.query(
        `update list_jobs set finished_at = now() - $2::integer * interval '1 day' where mailbox_id = $1`,
        [lease.mailboxId, days],
      );
    await db.query("insert into list_jobs (mailbox_id, purpose, query) values ($1, 'backfill', '')", [
      lease.mailboxId,
    ]);
    await age(90);
    expect((await read(lease)).hasOldRecords).toBe(false);
    await age(92);
    expect((await read(lease)).hasOldRecords).toBe(true);
    await db.query('delete from list_jobs where mailbox_id = $1', [lease.mailboxId]);
  });
});

test('old runs are due a day after their retention ends', async () => {
  const lease = await quietMailbox();
  const add = async (age: string) =>
    await db.query("insert into ingest_runs (trigger, started_at) values ('push', now() - $1::interval)", [
      age,
    ]);
  await add('90 days 12 hours');
  expect((await read(lease)).hasOldRuns).toBe(false);
  await add('91 days 1 hour');
  expect((await read(lease)).hasOldRuns).toBe(true);
  await db.query("delete from ingest_runs where started_at < now() - interval '90 days'");
});

test('ledger changes are due when there are enough to compact', async () => {
  const lease = await quietMailbox();
  await compactLedgerChanges(db, lease.mailboxId);
  for (let n = 0; n < 200; n += 1) await addLiveMessages(db, lease, `${n}`);
  expect((await read(lease)).hasLedgerChanges).toBe(true);
  await compactLedgerChanges(db, lease.mailboxId);
  expect((await read(lease)).hasLedgerChanges).toBe(false);
});

test('expired emails are due with retention, and never without it', async () => {
  const lease = await quietMailbox();
  const isDue = async (days: number | null) => (await read(lease, days)).hasExpiredEmails;
  const [id = 0] = await storeEmails(db, 1);
  await age(db, [id], { received: 31, stored: 31 });
  expect([await isDue(30), await isDue(32), await isDue(null)]).toEqual([true, false, false]);
  await db.query('delete from incoming_emails');
  expect(await isDue(30)).toBe(false);
});

test('work of one mailbox is not due in another', async () => {
  const [lease, other] = [await quietMailbox(), await leasedMailbox(db)];
  await addLiveMessages(db, other, 'a');
  await changeMessages(db, other, 'is_crash_suspect = true');
  await db.query("insert into list_jobs (mailbox_id, purpose, query) values ($1, 'backfill', '')", [
    other.mailboxId,
  ]);
  await db.query("insert into incidents (mailbox_id, kind) values ($1, 'history_expired')", [
    other.mailboxId,
  ]);
  expect(await read(lease)).toEqual(NOTHING);
});
