import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findRejectedListings } from '../../shared/control/status/rejected-listings.ts';
import { planHistoryGap } from '../../shared/db/history-gap.ts';
import { readIncidents } from '../../shared/db/incidents.ts';
import type { Lease } from '../../shared/db/lease.ts';
import { planFullReconciliation, planReconciliation } from '../../shared/db/reconciliation.ts';
import {
  evaluateSlice,
  type ReconciliationResult,
  removeEvaluatedIds,
} from '../../shared/db/reconciliation-evaluation.ts';
import {
  enterReconciliationPage,
  findOpenReconciliation,
  rejectReconciliation,
  restartReconciliation,
} from '../../shared/db/reconciliation-pages.ts';
import {
  type AnyRow,
  ageListings,
  insertLeasedMailbox,
  insertListJob,
  insertMessage,
  type LedgerColumns,
  loseLease,
  readMessage,
} from '../helpers/listing-rows.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

const DAY = 86_400;
let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

async function open({ mailboxId }: Lease) {
  const found = await findOpenReconciliation(db, mailboxId);
  if (found === null) throw new Error('No reconciliation can be listed.');
  return found;
}

async function rows({ mailboxId }: Lease): Promise<AnyRow[]> {
  const { rows: found } = await db.query<AnyRow>(
    `select *, extract(epoch from started_at - window_begins_at)::integer as window_seconds
     from reconciliations
     where mailbox_id = $1
     order by id`,
    [mailboxId],
  );
  return found;
}

async function list(lease: Lease, ids: string[], nextPageToken: string | null = null, settleSeconds = 90) {
  const page = { ids, nextPageToken, labelId: null, settleSeconds };
  return await enterReconciliationPage(db, lease, await open(lease), page);
}

/** Evaluates as a run that begins `aheadSeconds` from now. */
async function evaluate(lease: Lease, aheadSeconds = 0): Promise<ReconciliationResult | null> {
  for (;;) {
    const result = await evaluateTwoIds(lease, aheadSeconds);
    if (result !== 'more') return result;
  }
}

async function evaluateTwoIds(lease: Lease, aheadSeconds = 0) {
  return await evaluateSlice(db, lease, new Date(Date.now() + aheadSeconds * 1_000), 2);
}

/** A mailbox with one planned reconciliation. */
async function planned(ageSeconds = 3_600): Promise<Lease> {
  const lease = await insertLeasedMailbox(db, ageSeconds);
  expect(await planReconciliation(db, lease, 900)).toBe(true);
  return lease;
}

async function isDue({ mailboxId }: Lease): Promise<boolean> {
  const { rows: found } = await db.query<{ due: boolean }>('select is_reconciliation_due($1, 900) as due', [
    mailboxId,
  ]);
  return found[0]?.due ?? false;
}

async function incidentsOf(mailboxId: number) {
  return (await readIncidents(db, [mailboxId], 9)).get(mailboxId) ?? [];
}

describe('planReconciliation', () => {
  test('the first reconciliation of a new mailbox asks for all mail since its first start, without spam and drafts', async () => {
    const lease = await planned();
    expect(await rows(lease)).toMatchObject([{ window_seconds: 3_600, is_full: true }]);
    const { query } = await open(lease);
    expect(query).toMatch(/^-in:spam -in:drafts after:\d+$/);
    const after = Number(query.split(':').at(-1));
    expect(Date.now() / 1_000 - after).toBeGreaterThan(3_600);
    expect(Date.now() / 1_000 - after).toBeLessThan(3_620);
  });

  test('a reconciliation is due every 15 minutes, but not while another is open', async () => {
    const lease = await planned();
    expect(await planReconciliation(db, lease, 900)).toBe(false);
    await ageListings(db, lease, 901);
    expect(await isDue(lease)).toBe(false);
    await list(lease, []);
    await evaluate(lease);
    expect(await isDue(lease)).toBe(true);
    expect(await planReconciliation(db, lease, 900)).toBe(true);
    await list(lease, []);
    await evaluate(lease);
    expect(await isDue(lease)).toBe(false);
  });

  test('a reconciliation covers 31 days once per day, and otherwise two days', async () => {
    const lease = await insertLeasedMailbox(db, 60 * DAY);
    const windows: number[] = [];
    // The first window reaches back to the first start, because there is no earlier reconciliation. The last one is wide although
    // a narrow one began within a day.
    for (const ageSeconds of [DAY, 1_000, DAY - 500, 0]) {
      await planReconciliation(db, lease, 900);
      await list(lease, []);
      await evaluate(lease);
      windows.push(Math.round((await rows(lease)).at(-1).window_seconds / DAY));
      await ageListings(db, lease, ageSeconds);
    }
    expect(windows).toEqual([60, 31, 2, 31]);
  });

  test('after a long pause a reconciliation reaches back to the last one', async () => {
    const lease = await insertLeasedMailbox(db, 60 * DAY);
    await planReconciliation(db, lease, 900);
    await list(lease, []);
    await evaluate(lease);
    await ageListings(db, lease, 40 * DAY);
    await planReconciliation(db, lease, 900);
    expect((await rows(lease)).at(-1).window_seconds).toBe(40 * DAY + 3_600);
  });

  test('a reconciliation waits for an open gap and the first listing, but not for a backfill or a rejected first listing', async () => {
    for (const [purpose, errorCode, expected] of [
      ['gap', null, false],
      ['gap', 'gmail_refused', false],
      ['initial', null, false],
      ['initial', 'gmail_refused', true],
      ['backfill', null, true],
    ] as const) {
      const lease = await insertLeasedMailbox(db, 60);
      const id = await insertListJob(db, lease.mailboxId, { purpose, query: 'q' });
      await db.query('update list_jobs set error_code = $2 where id = $1', [id, errorCode]);
      expect([purpose, errorCode, await isDue(lease)]).toEqual([purpose, errorCode, expected]);
      expect(await planReconciliation(db, lease, 900)).toBe(expected);
    }
  });

  test('an instance that has lost the lease plans no reconciliation', async () => {
    const lease = await insertLeasedMailbox(db, 60);
    await loseLease(db, lease);
    expect(await planReconciliation(db, lease, 900)).toBe(false);
    expect(await rows(lease)).toEqual([]);
  });
});

describe('planFullReconciliation', () => {
  test('a full reconciliation is planned at any time, and a repeated request continues it', async () => {
    const lease = await insertLeasedMailbox(db, 9 * DAY);
    await planFullReconciliation(db, lease.mailboxId);
    await list(lease, ['a'], 'token');
    await planFullReconciliation(db, lease.mailboxId);
    expect(await rows(lease)).toMatchObject([
      { window_seconds: 9 * DAY, is_full: true, page_token: 'token' },
    ]);
  });

  test('a full reconciliation widens an open one, drops a page requested before, and keeps which ids were unknown', async () => {
    const lease = await insertLeasedMailbox(db, 60 * DAY);
    await planReconciliation(db, lease, 900);
    await db.query(
      "update reconciliations set window_begins_at = now() - interval '2 days', is_full = false, query = 'narrow' where mailbox_id = $1",
      [lease.mailboxId],
    );
    await list(lease, ['new'], 'token');
    const before = await open(lease);
    await planFullReconciliation(db, lease.mailboxId);
    const page = { ids: ['dropped'], nextPageToken: null, labelId: null, settleSeconds: 90 };
    expect(await enterReconciliationPage(db, lease, before, page)).toBe(0);
    expect(await readMessage(db, lease, 'dropped')).toBeUndefined();
    expect(await rows(lease)).toMatchObject([{ is_full: true, page_token: null, listed_at: null }]);
    expect(await list(lease, ['new'])).toBe(0);
    expect(await evaluate(lease, 91)).toMatchObject({ isFull: true, gmailCount: 1, missingCount: 1 });
  });

  test('a reconciliation drops a page requested before it was widened or before its listing restarted', async () => {
    const page = { ids: ['dropped'], nextPageToken: null, labelId: null, settleSeconds: 90 };
    const widened = await insertLeasedMailbox(db, 60 * DAY);
    await planReconciliation(db, widened, 900);
    await db.query("update reconciliations set is_full = false, query = 'narrow' where mailbox_id = $1", [
      widened.mailboxId,
    ]);
    const first = await open(widened);
    await planFullReconciliation(db, widened.mailboxId);
    expect(await enterReconciliationPage(db, widened, first, page)).toBe(0);

    const again = await planned();
    await list(again, [], 'token');
    const second = await open(again);
    await rejectReconciliation(db, again, second.id, { code: 'gmail_refused', detail: 'no' });
    await planFullReconciliation(db, again.mailboxId);
    expect(await enterReconciliationPage(db, again, second, page)).toBe(0);
    for (const lease of [widened, again]) {
      expect(await readMessage(db, lease, 'dropped')).toBeUndefined();
      expect(await rows(lease)).toMatchObject([{ listed_at: null }]);
    }
  });

  test('a full reconciliation begins at once when the open one waits after a rejection', async () => {
    const lease = await planned();
    await rejectReconciliation(db, lease, (await open(lease)).id, { code: 'gmail_refused', detail: 'no' });
    expect(await findOpenReconciliation(db, lease.mailboxId)).toBeNull();
    await planFullReconciliation(db, lease.mailboxId);
    expect(await open(lease)).toMatchObject({ pageToken: null });
  });
});

describe('listing', () => {
  test('a reconciliation enters unknown ids at once, as pending with unknown labels', async () => {
    const lease = await planned();
    await insertMessage(db, lease, 'known', { state: 'stored' });
    expect(await list(lease, ['known', 'new'], 'token')).toBe(1);
    expect(await open(lease)).toMatchObject({ pageToken: 'token' });
    expect(await readMessage(db, lease, 'new')).toMatchObject({
      state: 'pending',
      source: 'reconciliation',
      labels_unknown: true,
      history_id: null,
    });
    expect(await readMessage(db, lease, 'known')).toMatchObject({ state: 'stored', source: 'history' });
  });

  test('a reconciliation enters nothing for an instance that has lost the lease', async () => {
    const lease = await planned();
    const { id } = await open(lease);
    await loseLease(db, lease);
    await expect(list(lease, ['a'])).rejects.toMatchObject({ code: 'lease_lost' });
    await expect(restartReconciliation(db, lease, id)).rejects.toMatchObject({ code: 'lease_lost' });
    const rejection = { code: 'gmail_refused', detail: 'no' };
    await expect(rejectReconciliation(db, lease, id, rejection)).rejects.toMatchObject({
      code: 'lease_lost',
    });
    expect(await readMessage(db, lease, 'a')).toBeUndefined();
    expect(await rows(lease)).toMatchObject([{ listed_at: null, restart_count: 0, error_code: null }]);
  });

  test('a reconciliation that restarts still counts an id as unknown', async () => {
    const lease = await planned();
    await list(lease, ['lost'], 'token');
    await restartReconciliation(db, lease, (await open(lease)).id);
    expect(await open(lease)).toMatchObject({ pageToken: null, restartCount: 1 });
    await list(lease, ['lost']);
    expect(await evaluate(lease, 91)).toMatchObject({ gmailCount: 1, missingCount: 1 });
  });

  test('a rejection resets the restart count of a reconciliation', async () => {
    const lease = await planned();
    const { id } = await open(lease);
    await restartReconciliation(db, lease, id);
    await rejectReconciliation(db, lease, id, { code: 'gmail_refused', detail: 'no' });
    await ageListings(db, lease, 3_600);
    expect(await open(lease)).toMatchObject({ restartCount: 0 });
  });

  test('a rejected reconciliation waits for an hour with its error, and then continues', async () => {
    const lease = await planned();
    const rejection = { code: 'gmail_refused', detail: 'Reconciliation: 400' };
    await rejectReconciliation(db, lease, (await open(lease)).id, rejection);
    const shown = async () =>
      (await findRejectedListings(db)).filter((one) => one.detail === rejection.detail);
    expect(await shown()).toMatchObject([{ purpose: 'reconciliation', isFinished: false }]);
    await ageListings(db, lease, 3_590);
    expect(await findOpenReconciliation(db, lease.mailboxId)).toBeNull();
    await ageListings(db, lease, 10);
    await list(lease, []);
    expect(await shown()).toEqual([]);
    expect(await evaluate(lease)).toMatchObject({ gmailCount: 0 });
  });
});

describe('refetching listed messages', () => {
  async function isRefetched(columns: LedgerColumns, labelId: string | null = null): Promise<boolean> {
    const lease = await planned();
    await insertMessage(db, lease, 'a', { resolvedSecondsAgo: 60, ...columns });
    const page = { ids: ['a'], nextPageToken: null, labelId, settleSeconds: 90 };
    const count = await enterReconciliationPage(db, lease, await open(lease), page);
    const message = await readMessage(db, lease, 'a');
    expect(message.state === 'pending').toBe(count === 1);
    // Of a gone message, the labels on arrival are still known.
    const labelsUnknown = columns.state !== 'gone';
    if (count === 1)
      expect(message).toMatchObject({ labels_unknown: labelsUnknown, ignored_rule: null, resolved_at: null });
    return count === 1;
  }

  test.each([
    ['ignored', 'spam', true],
    ['ignored', 'draft', true],
    ['ignored', 'trash', false],
    ['ignored', 'sent', false],
    ['ignored', 'before_start', false],
    ['gone', null, true],
    ['stored', null, false],
    ['dead', null, false],
  ])('a listed message that is %s (%s) is fetched again: %s', async (state, ignoredRule, expected) => {
    expect(await isRefetched({ state, ignoredRule })).toBe(expected);
  });

  test('a message ignored for its label is fetched again only when the listing asked for the label', async () => {
    expect(await isRefetched({ state: 'ignored', ignoredRule: 'label' }, 'Label_1')).toBe(true);
    expect(await isRefetched({ state: 'ignored', ignoredRule: 'label' })).toBe(false);
  });

  test('a message that is fetched again starts with no charged attempts', async () => {
    const lease = await planned();
    await insertMessage(db, lease, 'a', { state: 'gone', resolvedSecondsAgo: 60 });
    await db.query('update email_ledger set attempt_count = 7 where mailbox_id = $1', [lease.mailboxId]);
    await list(lease, ['a']);
    expect(await readMessage(db, lease, 'a')).toMatchObject({ state: 'pending', attempt_count: 0 });
  });

  test('a message is fetched again only once per day when the result is the same', async () => {
    const again = { state: 'ignored', ignoredRule: 'draft', source: 'reconciliation' };
    expect(await isRefetched({ ...again, resolvedSecondsAgo: 1_000 })).toBe(false);
    expect(await isRefetched({ ...again, resolvedSecondsAgo: DAY + 60 })).toBe(true);
  });

  test('a message that is fetched again is not missing', async () => {
    const lease = await planned();
    await insertMessage(db, lease, 'a', { state: 'ignored', ignoredRule: 'spam', historyId: null });
    await list(lease, ['a']);
    expect(await evaluate(lease, 91)).toMatchObject({ pendingCount: 1, missingCount: 0 });
  });
});

describe('evaluateSlice', () => {
  test('the evaluation counts each listed id once, by its state, and the counts add up', async () => {
    const lease = await planned();
    await insertMessage(db, lease, 'stored', { state: 'stored' });
    await insertMessage(db, lease, 'pending');
    await insertMessage(db, lease, 'failing', { errorCode: 'gmail_unavailable' });
    await insertMessage(db, lease, 'dead', { state: 'dead', errorCode: 'gmail_unavailable' });
    await insertMessage(db, lease, 'sent', { state: 'ignored', ignoredRule: 'sent' });
    await insertMessage(db, lease, 'gone', {
      state: 'gone',
      source: 'reconciliation',
      resolvedSecondsAgo: 9,
    });
    await insertMessage(db, lease, 'not listed', { state: 'stored' });
    await list(lease, ['stored', 'pending', 'failing', 'dead'], 'token');
    await list(lease, ['dead', 'sent', 'gone']);
    const result = {
      gmailCount: 6,
      storedCount: 1,
      pendingCount: 1,
      failedCount: 2,
      ignoredCount: 1,
      goneCount: 1,
      missingCount: 0,
      incidentId: null,
    };
    expect(await evaluate(lease)).toMatchObject(result);
    expect(await rows(lease)).toMatchObject([{ gmail_count: 6, failed_count: 2, missing_count: 0 }]);
    const kept = 'select 1 from reconciliation_ids where reconciliation_id = $1';
    for (const [isMoreLeft, keptCount] of [
      [true, 2],
      [false, 0],
    ] as const) {
      expect(await removeEvaluatedIds(db, lease.mailboxId, 4)).toBe(isMoreLeft);
      expect((await db.query(kept, [(await rows(lease))[0].id])).rows).toHaveLength(keptCount);
    }
    expect(await evaluate(lease)).toBeNull();
  });

  test('cleanup keeps the ids of an open reconciliation', async () => {
    const lease = await planned();
    await list(lease, ['a'], 'token');
    expect(await removeEvaluatedIds(db, lease.mailboxId)).toBe(false);
    const kept = 'select 1 from reconciliation_ids where reconciliation_id = $1';
    expect((await db.query(kept, [(await rows(lease))[0].id])).rows).toHaveLength(1);
  });

  test('the evaluation waits the settle time for the history to show unknown ids', async () => {
    const lease = await planned();
    await list(lease, ['new']);
    expect(await evaluate(lease, 85)).toBeNull();
    await db.query("update email_ledger set history_id = 60, state = 'stored' where mailbox_id = $1", [
      lease.mailboxId,
    ]);
    expect(await evaluate(lease, 91)).toMatchObject({ gmailCount: 1, storedCount: 1, missingCount: 0 });
    expect(await incidentsOf(lease.mailboxId)).toEqual([]);
  });

  test.each(['stored', 'pending', 'gone', 'dead'])(
    'a message that the history never showed counts as missing, although it is %s by now',
    async (state) => {
      const lease = await planned();
      await list(lease, ['lost']);
      await db.query('update email_ledger set state = $2 where mailbox_id = $1', [lease.mailboxId, state]);
      expect(await evaluate(lease, 91)).toMatchObject({ gmailCount: 1, missingCount: 1 });
    },
  );

  test('a message that a rule excludes does not count as missing', async () => {
    const lease = await planned();
    await list(lease, ['sent']);
    await db.query("update email_ledger set state = 'ignored', ignored_rule = 'sent' where mailbox_id = $1", [
      lease.mailboxId,
    ]);
    expect(await evaluate(lease, 91)).toMatchObject({ ignoredCount: 1, missingCount: 0 });
  });

  test('missing messages open an incident, and an evaluation without any closes it', async () => {
    const lease = await planned();
    await list(lease, ['lost']);
    const result = await evaluate(lease, 91);
    expect(await incidentsOf(lease.mailboxId)).toEqual([
      {
        id: result?.incidentId,
        kind: 'missing_found',
        openedAt: expect.any(Date),
        closedAt: null,
        detail: {
          reconciliation_id: result?.id,
          gmail_count: 1,
          missing_count: 1,
          gmail_message_ids: ['lost'],
        },
      },
    ]);
    await ageListings(db, lease, 1_000);
    await planReconciliation(db, lease, 900);
    await list(lease, ['lost']);
    expect(await evaluate(lease)).toMatchObject({ missingCount: 0, pendingCount: 1, incidentId: null });
    expect(await incidentsOf(lease.mailboxId)).toMatchObject([{ closedAt: expect.any(Date) }]);
  });

  test('an evaluation in slices continues where it stopped, counts every id once and names the missing ids of all slices', async () => {
    const lease = await planned();
    for (const id of ['b', 'd', 'e']) await insertMessage(db, lease, id, { state: 'stored' });
    await list(lease, ['a', 'b', 'c', 'd', 'e', 'f']);
    expect(await evaluateTwoIds(lease, 91)).toBe('more');
    expect(await rows(lease)).toMatchObject([
      { evaluated_at: null, evaluated_to: 'b', gmail_count: 2, stored_count: 1, missing_count: 1 },
    ]);
    expect(await planReconciliation(db, lease, 0)).toBe(false);
    expect(await evaluateTwoIds(lease)).toBeNull();
    await insertMessage(db, lease, 'a0', { state: 'stored' });
    const result = await evaluate(lease, 91);
    expect(result).toMatchObject({ gmailCount: 6, storedCount: 3, missingCount: 3 });
    expect(await incidentsOf(lease.mailboxId)).toMatchObject([
      { detail: { gmail_count: 6, missing_count: 3, gmail_message_ids: ['a', 'c', 'f'] } },
    ]);
  });

  test('an evaluation restarts when an operator widens the reconciliation, and still knows the missing ids', async () => {
    const lease = await planned(60 * DAY);
    await db.query('update reconciliations set is_full = false where mailbox_id = $1', [lease.mailboxId]);
    await list(lease, ['a', 'b', 'c']);
    expect(await evaluateTwoIds(lease, 91)).toBe('more');
    await planFullReconciliation(db, lease.mailboxId);
    expect(await rows(lease)).toMatchObject([{ evaluated_to: null, gmail_count: null, missing_ids: [] }]);
    await list(lease, ['a', 'b', 'c', 'd']);
    expect(await evaluate(lease, 91)).toMatchObject({ isFull: true, gmailCount: 4, missingCount: 4 });
  });

  test('an evaluation does not count ids as missing that an expired history can no longer show', async () => {
    const lease = await planned();
    await insertMessage(db, lease, 'a', { state: 'stored' });
    await list(lease, ['a', 'b', 'c']);
    expect(await evaluateTwoIds(lease, 91)).toBe('more');
    await planHistoryGap(db, lease, '900');
    expect(await rows(lease)).toMatchObject([{ evaluated_to: null, gmail_count: null, missing_ids: [] }]);
    await db.query('update list_jobs set finished_at = now() where mailbox_id = $1', [lease.mailboxId]);
    await list(lease, ['a', 'b', 'c']);
    expect(await evaluate(lease, 91)).toMatchObject({ gmailCount: 3, pendingCount: 2, missingCount: 0 });
  });

  test('an instance that has lost the lease evaluates nothing', async () => {
    const lease = await planned();
    await list(lease, []);
    await loseLease(db, lease);
    expect(await evaluate(lease)).toBeNull();
    expect(await rows(lease)).toMatchObject([{ evaluated_at: null }]);
  });
});

test('an expired history restarts a reconciliation that is being listed, after the gap', async () => {
  const lease = await planned();
  await list(lease, ['in the gap'], 'token');
  await planHistoryGap(db, lease, '900');
  await db.query('update list_jobs set finished_at = now() where mailbox_id = $1', [lease.mailboxId]);
  expect(await open(lease)).toMatchObject({ pageToken: null });
});

test('an expired history restarts a listed reconciliation after the gap', async () => {
  const lease = await planned();
  await list(lease, ['in the gap']);
  await planHistoryGap(db, lease, '900');
  expect(await evaluate(lease, 91)).toBeNull();
  expect(await findOpenReconciliation(db, lease.mailboxId)).toBeNull();
  await db.query("update list_jobs set finished_at = now() where mailbox_id = $1 and purpose = 'gap'", [
    lease.mailboxId,
  ]);
  expect(await open(lease)).toMatchObject({ pageToken: null, restartCount: 0 });
  await list(lease, ['in the gap']);
  expect(await evaluate(lease)).toMatchObject({ gmailCount: 1, pendingCount: 1, missingCount: 0 });
});
