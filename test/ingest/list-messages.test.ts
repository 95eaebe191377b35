/** Listing steps against answers that the emulated Gmail does not give. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lease } from '../../shared/db/lease.ts';
import { Deadline } from '../../shared/deadline.ts';
import { AppError } from '../../shared/errors.ts';
import { continueListJobs } from '../../shared/ingest/list-messages.ts';
import {
  continueReconciliation,
  evaluateReconciliation,
  planDueReconciliation,
} from '../../shared/ingest/reconcile.ts';
import type { RunContext } from '../../shared/ingest/run-context.ts';
import { openHistoryGap } from '../../shared/ingest/sync-history.ts';
import { createLog } from '../../shared/log.ts';
import {
  type AnyRow,
  ageListings,
  insertLeasedMailbox,
  insertListJob,
  readMessage,
} from '../helpers/listing-rows.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

interface Page {
  readonly ids: readonly string[];
  readonly next: string | null;
}
type Request = Parameters<RunContext['gmail']['listMessages']>[1];

/** A run of a mailbox whose messages.list answers with pages by page token. */
function runOf(lease: Lease, pages: Record<string, Page | AppError>, more: Partial<RunContext> = {}) {
  const requests: Request[] = [];
  const lines: Record<string, unknown>[] = [];
  const gmail = {
    listMessages: async (_call: unknown, request: Request) => {
      requests.push(request);
      const page = pages[request.pageToken ?? 'first'];
      if (page === undefined || page instanceof AppError)
        throw page ?? new AppError('gmail_refused', 'messages.list: 400');
      return { messages: page.ids.map((id) => ({ id })), nextPageToken: page.next };
    },
    getProfile: async () => ({ emailAddress: 'orders@example.com', historyId: '900' }),
  };
  const run = {
    settings: null,
    call: {},
    config: { settleSeconds: 0 },
    counts: { discovered: 0 },
    db,
    deadline: Deadline.after(60_000),
    gmail,
    label: { kind: 'none' },
    lease,
    log: createLog({ level: 'debug', format: 'json', sink: (line) => lines.push(JSON.parse(line)) }),
    startedAt: new Date(),
    trigger: 'schedule',
    ...more,
  } as unknown as RunContext;
  return { run, requests, lines };
}

function labelled(id: string): Partial<RunContext> {
  return { label: { kind: 'resolved', id } };
}

async function backfillOf(lease: Lease): Promise<() => Promise<AnyRow>> {
  const { mailboxId } = lease;
  const id = await insertListJob(db, mailboxId, { purpose: 'backfill', query: 'in:inbox' });
  return async () => (await db.query('select * from list_jobs where id = $1', [id])).rows[0];
}

describe('list job', () => {
  test('lists a job with its query, the wanted label and its page token, four pages at a time', async () => {
    const lease = await insertLeasedMailbox(db);
    await insertListJob(db, lease.mailboxId, { purpose: 'gap', query: 'q', includeSpamTrash: true });
    const pages = Object.fromEntries(
      ['first', '2', '3', '4', '5'].map((token, n) => [
        token,
        { ids: [`${n}`], next: n === 4 ? null : `${n + 2}` },
      ]),
    );
    const { run, requests } = runOf(lease, pages, { label: { kind: 'resolved', id: 'Label_7' } });
    expect(await continueListJobs(run)).toBe(true);
    expect(requests).toEqual(
      [null, '2', '3', '4'].map((pageToken) => ({
        query: 'q',
        labelId: 'Label_7',
        pageToken,
        includeSpamTrash: true,
      })),
    );
    expect(await continueListJobs(run)).toBe(false);
    expect(requests).toHaveLength(5);
    expect(await continueListJobs(run)).toBe(false);
    expect(requests).toHaveLength(5);
    expect(run.counts.discovered).toBe(5);
  });

  test('starts over when the wanted label has changed, because a page token belongs to its request', async () => {
    const lease = await insertLeasedMailbox(db);
    const job = await backfillOf(lease);
    const cut = { first: { ids: ['a'], next: '2' }, 2: new AppError('gmail_unavailable', '503') };
    await expect(continueListJobs(runOf(lease, cut, labelled('Label_1')).run)).rejects.toThrow('503');
    expect(await job()).toMatchObject({ page_token: '2', listed_count: 1, finished_at: null });
    const whole = { first: { ids: ['b', 'c'], next: '2' }, 2: { ids: ['d'], next: null } };
    const { run, requests } = runOf(lease, whole, labelled('Label_2'));
    await continueListJobs(run);
    expect(requests.map(({ pageToken }) => pageToken)).toEqual([null, '2']);
    expect(await job()).toMatchObject({ listed_count: 3, finished_at: expect.any(Date) });
  });

  test('starts no page without time for it', async () => {
    const lease = await insertLeasedMailbox(db);
    await backfillOf(lease);
    const { run, requests } = runOf(lease, {}, { deadline: Deadline.after(900) });
    expect(await continueListJobs(run)).toBe(true);
    expect(requests).toEqual([]);
  });

  test('counts an id that a page contains twice once', async () => {
    const lease = await insertLeasedMailbox(db);
    const job = await backfillOf(lease);
    const { run } = runOf(lease, { first: { ids: ['a', 'b', 'a'], next: null } });
    await continueListJobs(run);
    expect(await job()).toMatchObject({ listed_count: 2, new_count: 2 });
  });

  test('starts over three times when Gmail rejects a page token, and then ends with the error', async () => {
    const lease = await insertLeasedMailbox(db);
    const job = await backfillOf(lease);
    const { run, requests } = runOf(lease, { first: { ids: ['a'], next: 'expired' } });
    await continueListJobs(run);
    await expect(continueListJobs(run)).rejects.toMatchObject({
      code: 'gmail_refused',
      message: expect.stringMatching(/^List job \d+ \(backfill\): messages.list: 400$/),
    });
    expect(requests.map(({ pageToken }) => pageToken)).toEqual(
      Array.from({ length: 4 }, () => [null, 'expired']).flat(),
    );
    expect(await job()).toMatchObject({ finished_at: expect.any(Date), error_code: 'gmail_refused' });
    expect(await readMessage(db, lease, 'a')).toMatchObject({ state: 'pending' });
  });

  test.each([
    ['repeats itself', { 2: { ids: ['b'], next: '2' } }],
    ['repeats after another page', { 2: { ids: ['b'], next: '3' }, 3: { ids: ['c'], next: '2' } }],
  ])('a list job whose page token %s ends with a clear error and keeps every id', async (_name, pages) => {
    const lease = await insertLeasedMailbox(db);
    const job = await backfillOf(lease);
    const { run } = runOf(lease, { first: { ids: ['a'], next: '2' }, ...pages });
    let error: unknown = null;
    for (let steps = 0; error === null && steps < 5; steps += 1)
      await continueListJobs(run).catch((thrown: unknown) => {
        error = thrown;
      });
    expect(error).toMatchObject({ code: 'gmail_refused' });
    expect(await job()).toMatchObject({
      finished_at: expect.any(Date),
      error_detail: expect.stringContaining('messages.list: a page token repeats itself.'),
    });
    expect(await readMessage(db, lease, 'b')).toMatchObject({ state: 'pending' });
  });

  test('leaves the list job unchanged when Gmail is unavailable', async () => {
    const lease = await insertLeasedMailbox(db);
    const job = await backfillOf(lease);
    const { run } = runOf(lease, { first: new AppError('gmail_unavailable', '503') });
    await expect(continueListJobs(run)).rejects.toMatchObject({ code: 'gmail_unavailable' });
    expect(await job()).toMatchObject({ finished_at: null, error_code: null, restart_count: 0 });
  });
});

describe('reconciliation', () => {
  test('plans a reconciliation, lists it with the trash, evaluates it and logs its counts', async () => {
    const lease = await insertLeasedMailbox(db, 3_600);
    const { run, requests, lines } = runOf(lease, {
      first: { ids: ['a', 'b'], next: '2' },
      2: { ids: ['b', 'c'], next: null },
    });
    expect(await planDueReconciliation(run)).toBe(true);
    expect(await continueReconciliation(run)).toBe(false);
    expect(requests[1]).toMatchObject({ includeSpamTrash: true, pageToken: '2', labelId: null });
    expect(run.counts.discovered).toBe(3);
    await db.query("update email_ledger set state = 'stored', history_id = 1 where gmail_message_id <> 'c'");
    await evaluateReconciliation(run);
    expect(lines).toEqual([]);
    await ageListings(db, lease, 10);
    await evaluateReconciliation(run);
    expect(lines).toMatchObject([
      {
        severity: 'ERROR',
        event: 'reconciled',
        message: 'Gmail 3 = stored 2 + pending 0 + failed 0 + ignored 0 + gone 0 + missing 1',
        gmail_count: 3,
        stored_count: 2,
        missing_count: 1,
        is_full: true,
        incident_id: expect.any(Number),
      },
    ]);
  });

  test('a reconciliation lists with the wanted label and makes messages ignored for it pending', async () => {
    const lease = await insertLeasedMailbox(db, 3_600);
    await db.query(
      `insert into email_ledger (mailbox_id, gmail_message_id, state, ignored_rule, source, resolved_at)
       values ($1, 'a', 'ignored', 'label', 'history', now())`,
      [lease.mailboxId],
    );
    const { run, requests } = runOf(
      lease,
      { first: { ids: ['a'], next: null } },
      { label: { kind: 'resolved', id: 'Label_7' } },
    );
    await planDueReconciliation(run);
    await continueReconciliation(run);
    expect(requests).toMatchObject([{ labelId: 'Label_7' }]);
    expect(await readMessage(db, lease, 'a')).toMatchObject({ state: 'pending', labels_unknown: true });
  });

  test('a reconciliation starts over when the wanted label has changed, and counts only that label', async () => {
    const lease = await insertLeasedMailbox(db, 3_600);
    const cut = { first: { ids: ['a'], next: '2' }, 2: new AppError('gmail_unavailable', '503') };
    const before = runOf(lease, cut, labelled('Label_1'));
    await planDueReconciliation(before.run);
    await expect(continueReconciliation(before.run)).rejects.toThrow('503');
    const whole = { first: { ids: ['b', 'c'], next: '2' }, 2: { ids: ['d'], next: null } };
    const { run, requests, lines } = runOf(lease, whole, labelled('Label_2'));
    await continueReconciliation(run);
    expect(requests.map(({ pageToken }) => pageToken)).toEqual([null, '2']);
    await db.query("update email_ledger set state = 'stored', history_id = 1 where mailbox_id = $1", [
      lease.mailboxId,
    ]);
    await ageListings(db, lease, 10);
    await evaluateReconciliation(run);
    expect(lines).toMatchObject([{ gmail_count: 3, stored_count: 3, missing_count: 0 }]);
  });

  test('evaluates a large reconciliation in slices and removes its ids', async () => {
    const lease = await insertLeasedMailbox(db, 3_600);
    const { run, lines } = runOf(lease, { first: { ids: ['a'], next: null } });
    await planDueReconciliation(run);
    await continueReconciliation(run);
    await db.query(
      `insert into reconciliation_ids (reconciliation_id, gmail_message_id, was_known)
       select r.id, 'x' || n, true
       from reconciliations r, generate_series(1, 17000) n
       where r.mailbox_id = $1`,
      [lease.mailboxId],
    );
    await ageListings(db, lease, 10);
    expect(await evaluateReconciliation({ ...run, deadline: Deadline.after(1_500) })).toBe('out_of_time');
    const elapsing = Deadline.after(60_000);
    let remainingMs = 60_000;
    elapsing.remainingMs = () => {
      remainingMs -= 3_000;
      return remainingMs;
    };
    expect(await evaluateReconciliation({ ...run, deadline: elapsing })).toBe('more');
    expect(lines).toEqual([]);
    expect(await evaluateReconciliation(run)).toBe('done');
    expect(lines).toMatchObject([{ event: 'reconciled', gmail_count: 17_001 }]);
    const kept = `select 1 from reconciliation_ids i join reconciliations r on r.id = i.reconciliation_id where r.mailbox_id = $1`;
    expect((await db.query(kept, [lease.mailboxId])).rows).toEqual([]);
  });

  test('a reconciliation that Gmail rejects waits for an hour before its next listing', async () => {
    const lease = await insertLeasedMailbox(db, 3_600);
    const { run, requests } = runOf(lease, {});
    await planDueReconciliation(run);
    await expect(continueReconciliation(run)).rejects.toMatchObject({
      code: 'gmail_refused',
      message: expect.stringMatching(/^Reconciliation \d+: messages.list: 400$/),
    });
    expect(await continueReconciliation(run)).toBe(false);
    await ageListings(db, lease, 3_600);
    await expect(continueReconciliation(run)).rejects.toMatchObject({ code: 'gmail_refused' });
    expect(requests).toHaveLength(2);
  });
});

describe('expired history', () => {
  test('logs an expired history once and closes its incident when the gap is listed and fetched', async () => {
    const lease = await insertLeasedMailbox(db, 3_600);
    const { run, requests, lines } = runOf(lease, { first: { ids: ['a'], next: null } });
    await openHistoryGap(run);
    await openHistoryGap(run);
    expect(lines).toMatchObject([
      { severity: 'WARNING', event: 'incident_opened', incident_kind: 'history_expired' },
      { severity: 'DEBUG', event: 'incident_opened' },
    ]);
    await continueListJobs(run);
    expect(requests).toMatchObject([
      { includeSpamTrash: true, query: expect.stringMatching(/^-in:spam -in:drafts after:\d+$/) },
    ]);
    await evaluateReconciliation(run);
    expect(lines).toHaveLength(2);
    await db.query("update email_ledger set state = 'stored' where mailbox_id = $1", [lease.mailboxId]);
    await evaluateReconciliation(run);
    expect(lines.at(-1)).toMatchObject({ event: 'incident_closed', incident_kind: 'history_expired' });
  });
});
