import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { planBackfill, readBackfillProgress } from '../../commands/backfill/backfills.ts';
import { findRejectedListings } from '../../shared/control/status/rejected-listings.ts';
import type { Lease } from '../../shared/db/lease.ts';
import { enterListPage, findNextListJob, rejectListJob, restartListJob } from '../../shared/db/list-jobs.ts';
import {
  ageListings,
  insertLeasedMailbox,
  insertListJob,
  loseLease,
  nextListJob,
  readMessage,
} from '../helpers/listing-rows.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

async function enter(lease: Lease, ids: string[], nextPageToken: string | null, settleSeconds = 0) {
  return await enterListPage(db, lease, await nextListJob(db, lease), {
    ids,
    nextPageToken,
    labelId: null,
    settleSeconds,
  });
}

async function jobs({ mailboxId }: Lease) {
  const { rows } = await db.query('select * from list_jobs where mailbox_id = $1 order by id', [mailboxId]);
  return rows;
}

describe('list jobs', () => {
  test('a list job continues after the last entered page', async () => {
    const lease = await insertLeasedMailbox(db);
    await insertListJob(db, lease.mailboxId, { purpose: 'backfill', query: 'in:anywhere' });
    expect(await enter(lease, ['a', 'b'], 'token')).toBe(2);
    expect(await nextListJob(db, lease)).toMatchObject({
      pageToken: 'token',
      query: 'in:anywhere',
      purpose: 'backfill',
    });
    expect(await enter(lease, ['b', 'c'], null)).toBe(1);
    expect(await findNextListJob(db, lease.mailboxId)).toBeNull();
    expect(await readMessage(db, lease, 'c')).toMatchObject({
      source: 'backfill',
      priority: 1,
      labels_unknown: true,
    });
    expect(await jobs(lease)).toMatchObject([
      { listed_count: 4, new_count: 3, finished_at: expect.any(Date) },
    ]);
  });

  test('a list job keeps its position when the ids of a page cannot be written', async () => {
    const lease = await insertLeasedMailbox(db);
    await insertListJob(db, lease.mailboxId, { purpose: 'backfill', query: 'in:anywhere' });
    await expect(enter(lease, ['a', 'nul\0'], 'token')).rejects.toMatchObject({ code: 'unstorable' });
    expect(await nextListJob(db, lease)).toMatchObject({ pageToken: null });
    expect(await readMessage(db, lease, 'a')).toBeUndefined();
  });

  test('a list job enters nothing for an instance that has lost the lease', async () => {
    const lease = await insertLeasedMailbox(db);
    await insertListJob(db, lease.mailboxId, { purpose: 'backfill', query: 'in:anywhere' });
    const job = await nextListJob(db, lease);
    await loseLease(db, lease);
    const page = { ids: ['a'], nextPageToken: 'token', labelId: null, settleSeconds: 0 };
    await expect(enterListPage(db, lease, job, page)).rejects.toMatchObject({ code: 'lease_lost' });
    await expect(restartListJob(db, lease, job.id)).rejects.toMatchObject({ code: 'lease_lost' });
    const rejection = { code: 'gmail_refused', detail: 'no' };
    await expect(rejectListJob(db, lease, job.id, rejection)).rejects.toMatchObject({ code: 'lease_lost' });
    expect(await readMessage(db, lease, 'a')).toBeUndefined();
    expect(await jobs(lease)).toMatchObject([{ page_token: null, restart_count: 0, error_code: null }]);
  });

  test('a list job that restarts keeps the messages that it found', async () => {
    const lease = await insertLeasedMailbox(db);
    await insertListJob(db, lease.mailboxId, { purpose: 'backfill', query: 'in:anywhere' });
    await enter(lease, ['a'], 'token');
    await restartListJob(db, lease, (await nextListJob(db, lease)).id);
    expect(await nextListJob(db, lease)).toMatchObject({ pageToken: null, restartCount: 1 });
    expect(await enter(lease, ['a', 'b'], null)).toBe(1);
    expect(await jobs(lease)).toMatchObject([{ listed_count: 2, new_count: 2 }]);
  });

  test('list jobs run oldest first, and a gap before all others', async () => {
    const lease = await insertLeasedMailbox(db);
    for (const query of ['first', 'second'])
      await insertListJob(db, lease.mailboxId, { purpose: 'backfill', query });
    await insertListJob(db, lease.mailboxId, { purpose: 'gap', query: 'gap', includeSpamTrash: true });
    const order: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      order.push((await nextListJob(db, lease)).query);
      await enter(lease, [], null);
    }
    expect(order).toEqual(['gap', 'first', 'second']);
  });
});

describe('repeated listings', () => {
  test.each(['initial', 'gap'] as const)(
    '%s runs twice: the second time begins the settle time after planning',
    async (purpose) => {
      const lease = await insertLeasedMailbox(db);
      await insertListJob(db, lease.mailboxId, { purpose, query: 'in:inbox' });
      await enter(lease, ['first page'], 'token', 90);
      await enter(lease, ['a'], null, 90);
      expect(await findNextListJob(db, lease.mailboxId)).toBeNull();
      await ageListings(db, lease, 89);
      expect(await findNextListJob(db, lease.mailboxId)).toBeNull();
      await ageListings(db, lease, 1);
      expect(await nextListJob(db, lease)).toMatchObject({ pageToken: null });
      expect(await enter(lease, ['a', 'late'], null, 90)).toBe(1);
      expect(await jobs(lease)).toMatchObject([
        { listed_count: 2, new_count: 3, finished_at: expect.any(Date) },
      ]);
    },
  );

  test('a gap runs twice even when the first listing took longer than the settle time', async () => {
    const lease = await insertLeasedMailbox(db);
    await insertListJob(db, lease.mailboxId, { purpose: 'gap', query: 'in:inbox' });
    await enter(lease, ['a'], 'token', 90);
    await ageListings(db, lease, 200);
    await enter(lease, ['b'], null, 90);
    expect(await nextListJob(db, lease)).toMatchObject({ pageToken: null });
    await enter(lease, ['a', 'b', 'late'], null, 90);
    expect(await jobs(lease)).toMatchObject([{ finished_at: expect.any(Date) }]);
  });

  test('the first listing runs once without a settle time, and a backfill always runs once', async () => {
    const lease = await insertLeasedMailbox(db);
    for (const [purpose, settleSeconds] of [
      ['initial', 0],
      ['backfill', 90],
    ] as const) {
      await insertListJob(db, lease.mailboxId, { purpose, query: 'q' });
      await enter(lease, [], null, settleSeconds);
    }
    expect(await jobs(lease)).toMatchObject([
      { finished_at: expect.any(Date) },
      { finished_at: expect.any(Date) },
    ]);
  });
});

describe('rejected list jobs', () => {
  const rejection = { code: 'gmail_refused', detail: 'List job: 400' };

  test('a rejected backfill ends, and is shown until its query is planned again', async () => {
    const lease = await insertLeasedMailbox(db);
    const { id } = await planBackfill(db, lease.mailboxId, 'after:nonsense');
    await rejectListJob(db, lease, id, rejection);
    expect(await readBackfillProgress(db, id)).toMatchObject({ isListed: true, rejection: 'List job: 400' });
    const shown = async () =>
      (await findRejectedListings(db)).filter((one) => one.query === 'after:nonsense');
    const { rows } = await db.query<{ email_address: string }>(
      'select email_address from mailboxes where id = $1',
      [lease.mailboxId],
    );
    expect(await shown()).toEqual([
      {
        id,
        address: rows[0]?.email_address,
        purpose: 'backfill',
        query: 'after:nonsense',
        detail: 'List job: 400',
        isFinished: true,
      },
    ]);
    await planBackfill(db, lease.mailboxId, 'after:nonsense');
    expect(await shown()).toEqual([]);
  });

  test('a rejected first listing waits for an hour with its error', async () => {
    const lease = await insertLeasedMailbox(db);
    const id = await insertListJob(db, lease.mailboxId, { purpose: 'initial', query: 'in:nowhere' });
    await rejectListJob(db, lease, id, rejection);
    expect(await findRejectedListings(db)).toContainEqual(
      expect.objectContaining({ query: 'in:nowhere', isFinished: false }),
    );
    await ageListings(db, lease, 3_590);
    expect(await findNextListJob(db, lease.mailboxId)).toBeNull();
    await ageListings(db, lease, 10);
    expect(await enter(lease, ['a'], null, 90)).toBe(1);
    expect(await jobs(lease)).toMatchObject([{ error_code: null, finished_at: expect.any(Date) }]);
  });
});
