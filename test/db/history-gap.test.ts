import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { planHistoryGap } from '../../shared/db/history-gap.ts';
import { closeListedGaps, readIncidents } from '../../shared/db/incidents.ts';
import type { Lease } from '../../shared/db/lease.ts';
import { enterListPage, findNextListJob } from '../../shared/db/list-jobs.ts';
import { type AnyRow, insertLeasedMailbox, insertMessage, loseLease } from '../helpers/listing-rows.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

const DAY = 86_400;
let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

async function mailbox({ mailboxId }: Lease): Promise<AnyRow> {
  return (await db.query('select * from mailboxes where id = $1', [mailboxId])).rows[0];
}

async function gapJobs({ mailboxId }: Lease): Promise<AnyRow[]> {
  const { rows } = await db.query<AnyRow>(
    `select *, extract(epoch from now())::bigint - substring(query from 'after:(.*)')::bigint as seconds
     from list_jobs
     where mailbox_id = $1 and purpose = 'gap'
     order by id`,
    [mailboxId],
  );
  return rows;
}

async function reconciledAgo({ mailboxId }: Lease, seconds: number): Promise<void> {
  await db.query(
    `insert into reconciliations (mailbox_id, window_begins_at, is_full, query, started_at, evaluated_at)
     values ($1, now(), false, 'q', now() - $2::integer * interval '1 second', now())`,
    [mailboxId, seconds],
  );
}

async function list(lease: Lease, ids: string[]): Promise<void> {
  const job = await findNextListJob(db, lease.mailboxId);
  if (job === null) throw new Error('No list job can be continued.');
  await enterListPage(db, lease, job, { ids, nextPageToken: null, labelId: null, settleSeconds: 0 });
}

async function incidentsOf(mailboxId: number) {
  return (await readIncidents(db, [mailboxId], 9)).get(mailboxId) ?? [];
}

describe('planHistoryGap', () => {
  test('planHistoryGap pins the cursor, clears the unconfirmed history id, and plans one listing with trash', async () => {
    const lease = await insertLeasedMailbox(db, DAY);
    await db.query(
      `update mailboxes
       set unconfirmed_history_id = 150, unconfirmed_at = now(), listed_history_id = 150, shown_history_id = 149
       where id = $1`,
      [lease.mailboxId],
    );
    expect(await planHistoryGap(db, lease, '900')).toMatchObject({ isNew: true });
    expect(await mailbox(lease)).toMatchObject({
      cursor_history_id: '900',
      unconfirmed_history_id: null,
      unconfirmed_at: null,
      listed_history_id: null,
      shown_history_id: null,
    });
    const jobs = await gapJobs(lease);
    expect(jobs).toMatchObject([{ include_spam_trash: true }]);
    expect(jobs[0].query).toMatch(/^-in:spam -in:drafts after:\d+$/);
  });

  test('the gap begins 31 days before the last reconciliation', async () => {
    const lease = await insertLeasedMailbox(db, 90 * DAY);
    await reconciledAgo(lease, 40 * DAY);
    await reconciledAgo(lease, 3 * DAY);
    await planHistoryGap(db, lease, '900');
    expect(Number((await gapJobs(lease))[0].seconds) / DAY).toBeCloseTo(34, 2);
  });

  test('an open reconciliation does not move the start of the gap', async () => {
    const lease = await insertLeasedMailbox(db, 90 * DAY);
    await reconciledAgo(lease, 3 * DAY);
    await db.query(
      `insert into reconciliations (mailbox_id, window_begins_at, is_full, query) values ($1, now(), false, 'q')`,
      [lease.mailboxId],
    );
    await planHistoryGap(db, lease, '900');
    expect(Number((await gapJobs(lease))[0].seconds) / DAY).toBeCloseTo(34, 2);
  });

  test('planHistoryGap does not change the end of an earlier finished gap', async () => {
    const lease = await insertLeasedMailbox(db, DAY);
    await planHistoryGap(db, lease, '900');
    await list(lease, []);
    const [first] = await gapJobs(lease);
    expect(first.finished_at).toBeInstanceOf(Date);
    await planHistoryGap(db, lease, '950');
    expect(await gapJobs(lease)).toMatchObject([{ finished_at: first.finished_at }, { finished_at: null }]);
  });

  test('the gap never begins before the first start, and begins there when nothing was reconciled', async () => {
    for (const isReconciled of [true, false]) {
      const lease = await insertLeasedMailbox(db, 10 * DAY);
      if (isReconciled) await reconciledAgo(lease, 3 * DAY);
      await planHistoryGap(db, lease, '900');
      expect(Number((await gapJobs(lease))[0].seconds) / DAY).toBeCloseTo(10, 2);
    }
  });

  test('planHistoryGap changes nothing for an instance that has lost the lease', async () => {
    const lease = await insertLeasedMailbox(db, DAY);
    await loseLease(db, lease);
    await expect(planHistoryGap(db, lease, '900')).rejects.toMatchObject({ code: 'lease_lost' });
    expect(await mailbox(lease)).toMatchObject({ cursor_history_id: '100' });
    expect(await gapJobs(lease)).toEqual([]);
    expect(await incidentsOf(lease.mailboxId)).toEqual([]);
  });

  test('a second gap before the first is listed replaces the listing and continues the incident', async () => {
    const lease = await insertLeasedMailbox(db, DAY);
    const first = await planHistoryGap(db, lease, '900');
    const second = await planHistoryGap(db, lease, '950');
    expect(second).toMatchObject({ incidentId: first.incidentId, isNew: false });
    const jobs = await gapJobs(lease);
    expect(jobs).toMatchObject([{ finished_at: expect.any(Date) }, { finished_at: null }]);
    expect(await incidentsOf(lease.mailboxId)).toMatchObject([
      { detail: { expired_history_id: '900', pinned_history_id: '950', list_job_id: jobs[1].id } },
    ]);
  });

  test('the incident of a gap stays open until the gap is listed and has no pending message', async () => {
    const lease = await insertLeasedMailbox(db, DAY);
    await planHistoryGap(db, lease, '900');
    expect(await closeListedGaps(db, lease.mailboxId)).toEqual([]);
    await list(lease, ['a', 'b']);
    expect(await closeListedGaps(db, lease.mailboxId)).toEqual([]);
    await db.query("update email_ledger set state = 'stored' where mailbox_id = $1", [lease.mailboxId]);
    await insertMessage(db, lease, 'live mail that is pending');
    expect(await closeListedGaps(db, lease.mailboxId)).toMatchObject([
      {
        kind: 'history_expired',
        closedAt: expect.any(Date),
        detail: { expired_history_id: '100', pinned_history_id: '900', listed_count: 2, new_count: 2 },
      },
    ]);
    expect(await closeListedGaps(db, lease.mailboxId)).toEqual([]);
  });
});
