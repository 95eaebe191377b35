import { describe, expect, test } from 'vitest';
import { planFullReconciliation } from '../../shared/db/reconciliation.ts';
import { type AnyRow, ageListings, insertListJob } from '../helpers/listing-rows.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import { mail, order } from '../helpers/test-emails.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();
const MAILBOX = { mailboxId: 1, token: '' };

/** Makes the mailbox an hour old, so that a reconciliation covers everything that is delivered. */
async function startedAnHourAgo(system: TestSystem): Promise<TestSystem> {
  await system.ingest();
  await system.rows("update mailboxes set created_at = created_at - interval '1 hour'");
  await makeNextDue(system);
  return system;
}

async function makeNextDue(system: TestSystem): Promise<void> {
  await ageListings(system.db, MAILBOX, 3_600);
}

/** Delivers a message that the history never shows, because the cursor is already past it. */
async function hide(system: TestSystem, raw = mail('Hidden'), internalDate = new Date()): Promise<string> {
  const { id } = system.gmail.deliver(raw, { internalDate });
  await skipHistory(system);
  return id;
}

async function skipHistory(system: TestSystem): Promise<void> {
  await system.rows(
    `update mailboxes
     set cursor_history_id = ${system.gmail.historyId}, unconfirmed_history_id = null, unconfirmed_at = null`,
  );
}

/** The latest evaluated reconciliation. */
async function result(system: TestSystem): Promise<AnyRow> {
  const rows = await system.rows<AnyRow>(
    'select * from reconciliations where evaluated_at is not null order by id desc limit 1',
  );
  return rows[0];
}

async function incidents(system: TestSystem) {
  return await system.rows<AnyRow>('select kind, closed_at, detail from incidents order by id');
}

describe('reconciliation', () => {
  test('a reconciliation counts listed messages as stored and finds none missing', async () => {
    const system = await startedAnHourAgo(await createTestSystem());
    for (let n = 0; n < 6; n += 1) system.gmail.deliver(order(n));
    await system.ingest();
    expect(await result(system)).toMatchObject({ gmail_count: 6, stored_count: 6, missing_count: 0 });
    expect(await incidents(system)).toEqual([]);
  });

  test('a reconciliation finds and fetches a message that the history never showed, with an incident until none is missing', async () => {
    const system = await startedAnHourAgo(await createTestSystem());
    const id = await hide(system);
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
    await system.ingest();
    expect(await result(system)).toMatchObject({ gmail_count: 1, stored_count: 0, missing_count: 1 });
    expect(await incidents(system)).toMatchObject([
      { kind: 'missing_found', closed_at: null, detail: { gmail_message_ids: [id] } },
    ]);
    await makeNextDue(system);
    await system.ingest();
    expect(await result(system)).toMatchObject({ gmail_count: 1, stored_count: 1, missing_count: 0 });
    expect(await incidents(system)).toMatchObject([{ closed_at: expect.any(Date) }]);
  });

  test('a reconciliation reports no message as missing while the history may still show it', async () => {
    const system = await startedAnHourAgo(await createTestSystem({ env: { GMAIL_SETTLE_SECONDS: '90' } }));
    system.gmail.indexLag.historyMs = 60_000;
    const { id } = system.gmail.deliver(mail('Fresh'));
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
    expect(await result(system)).not.toMatchObject({ gmail_count: 1 });
    system.gmail.indexLag.historyMs = 0;
    await system.ingest();
    await ageListings(system.db, MAILBOX, 91);
    await system.ingest();
    expect(await result(system)).toMatchObject({ gmail_count: 1, stored_count: 1, missing_count: 0 });
    expect(await incidents(system)).toEqual([]);
  });

  test('a reconciliation counts a failing message as failed and an erased email as stored', async () => {
    const system = await startedAnHourAgo(await createTestSystem());
    const erased = system.gmail.deliver(order(1)).id;
    await system.ingest();
    await system.rows('delete from incoming_emails');
    const failing = system.gmail.deliver(order(2)).id;
    system.gmail.faults.add({ kind: 'status', status: 400, messageId: failing });
    await makeNextDue(system);
    await system.ingest();
    expect(await ledger(system)).toEqual({ [erased]: 'stored', [failing]: 'pending' });
    expect(await result(system)).toMatchObject({
      gmail_count: 2,
      stored_count: 1,
      failed_count: 1,
      missing_count: 0,
    });
  });

  test('a reconciliation runs once per 15 minutes and never for a push', async () => {
    const system = await startedAnHourAgo(await createTestSystem());
    await system.turnOn();
    const listed = () => system.gmail.callLog.countByMethod['messages.list'] ?? 0;
    const before = listed();
    await system.ingest({ trigger: 'push' });
    expect(listed()).toBe(before);
    await system.ingest();
    await system.ingest();
    expect(listed()).toBe(before + 1);
    await makeNextDue(system);
    await system.ingest();
    expect(listed()).toBe(before + 2);
  });

  test('a push leaves an open reconciliation to the next poll', async () => {
    const system = await startedAnHourAgo(await createTestSystem());
    await system.turnOn();
    await planFullReconciliation(system.db, 1);
    const listed = () => system.gmail.callLog.countByMethod['messages.list'] ?? 0;
    const before = listed();
    await system.ingest({ trigger: 'push' });
    const open = 'select is_full from reconciliations where evaluated_at is null';
    expect([listed(), await system.rows(open)]).toEqual([before, [{ is_full: true }]]);
    await system.ingest();
    expect([listed(), await system.rows(open)]).toEqual([before + 1, []]);
  });

  test('a push leaves the evaluation of a listed reconciliation to the next poll', async () => {
    const system = await startedAnHourAgo(await createTestSystem());
    await system.turnOn();
    await system.ingest();
    const open = 'select listed_at is not null as is_listed from reconciliations where evaluated_at is null';
    await system.rows('update reconciliations set evaluated_at = null');
    await system.ingest({ trigger: 'push' });
    expect(await system.rows(open)).toEqual([{ is_listed: true }]);
    await system.ingest();
    expect(await system.rows(open)).toEqual([]);
  });

  test.each(['was never there', 'was deleted'])(
    'nothing is listed while the wanted label is missing because it %s',
    async (why) => {
      const system = await startedAnHourAgo(await createTestSystem());
      const instance = system.instance({ GMAIL_LABEL_ID: 'Orders' });
      if (why === 'was deleted') {
        const label = system.gmail.createLabel('Orders');
        await instance.ingest();
        system.gmail.deleteLabel(label);
        await makeNextDue(system);
      }
      await system.rows(
        "insert into list_jobs (mailbox_id, purpose, query) values (1, 'backfill', 'in:inbox')",
      );
      const before = system.gmail.callLog.countByMethod['messages.list'];
      expect(await instance.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'label_missing' } });
      expect(system.gmail.callLog.countByMethod['messages.list']).toBe(before);
      expect(await system.rows('select listed_count from list_jobs where finished_at is null')).toEqual([
        { listed_count: 0 },
      ]);
    },
  );

  test('nothing is listed while the wanted label is missing and no reconciliation is due', async () => {
    const system = await startedAnHourAgo(await createTestSystem());
    await system.ingest();
    await system.rows(
      "insert into list_jobs (mailbox_id, purpose, query) values (1, 'backfill', 'in:inbox')",
    );
    const before = system.gmail.callLog.countByMethod['messages.list'];
    const instance = system.instance({ GMAIL_LABEL_ID: 'Orders' });
    expect(await instance.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'label_missing' } });
    expect(system.gmail.callLog.countByMethod['messages.list']).toBe(before);
  });

  test('a first listing that Gmail rejected does not delay the reconciliation', async () => {
    const system = await startedAnHourAgo(await createTestSystem());
    await insertListJob(system.db, 1, { purpose: 'initial', query: 'in:inbox' });
    await system.rows(
      `update list_jobs set error_code = 'gmail_refused', not_before = now() + interval '1 hour' where finished_at is null`,
    );
    const id = await hide(system);
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
  });

  test('a run fetches what a list job found, also when the reconciliation after it fails', async () => {
    const system = await startedAnHourAgo(await createTestSystem());
    const id = await hide(system);
    await system.rows(
      "insert into list_jobs (mailbox_id, purpose, query) values (1, 'backfill', 'in:inbox')",
    );
    await planFullReconciliation(system.db, 1);
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'messages.list', skip: 1 });
    expect(await system.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'gmail_unavailable' } });
    expect(await storedIds(system)).toEqual([id]);
  });

  test('a reconciliation ignores messages from before the first start', async () => {
    const system = await createTestSystem();
    system.gmail.deliver(mail('Read long ago'), {
      labelIds: ['INBOX'],
      internalDate: new Date(Date.now() - 86_400_000),
    });
    await startedAnHourAgo(system);
    await system.ingest();
    expect(await result(system)).toMatchObject({ gmail_count: 0, missing_count: 0 });
    expect(await storedIds(system)).toEqual([]);
  });

  test('a full reconciliation finds an older message when an operator requests it', async () => {
    const system = await startedAnHourAgo(await createTestSystem());
    await system.rows("update mailboxes set created_at = created_at - interval '60 days'");
    await system.ingest();
    await ageListings(system.db, MAILBOX, 10);
    const id = await hide(system, mail('Old and hidden'), new Date(Date.now() - 40 * 86_400_000));
    await system.ingest();
    expect(await storedIds(system)).toEqual([]);
    await planFullReconciliation(system.db, 1);
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
    await system.ingest();
    expect(await result(system)).toMatchObject({ is_full: true, missing_count: 1 });
  });
});

describe('messages outside the inbox', () => {
  test('a reconciliation stores a message in the trash that the history never showed', async () => {
    const system = await startedAnHourAgo(await createTestSystem());
    const { id } = system.gmail.deliver(mail('Deleted at once'));
    system.gmail.trash(id);
    await skipHistory(system);
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
    await system.ingest();
    expect(await result(system)).toMatchObject({ gmail_count: 1, missing_count: 1 });
  });

  test('a reconciliation does not fetch drafts, sent messages and messages that arrived in the trash', async () => {
    const system = await startedAnHourAgo(await createTestSystem());
    system.gmail.deliver(mail('Draft'), { labelIds: ['DRAFT'] });
    system.gmail.deliver(mail('Sent'), { labelIds: ['SENT'] });
    system.gmail.deliver(mail('By a filter'), { labelIds: ['TRASH'] });
    await system.ingest();
    await makeNextDue(system);
    await system.ingest();
    expect(system.gmail.callLog.countByMethod['messages.get'] ?? 0).toBe(0);
    expect(await result(system)).toMatchObject({ gmail_count: 2, ignored_count: 2, missing_count: 0 });
  });

  test('a reconciliation stores a listed message that was marked gone', async () => {
    const system = await startedAnHourAgo(await createTestSystem());
    const { id } = system.gmail.deliver(mail('Late'));
    system.gmail.faults.add({ kind: 'status', status: 404, reason: 'notFound', messageId: id, times: 1 });
    await system.ingest();
    await makeNextDue(system);
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
  });

  test('a reconciliation stores a message that was marked gone and is in the trash now', async () => {
    const system = await startedAnHourAgo(await createTestSystem());
    const { id } = system.gmail.deliver(mail('Late'));
    system.gmail.faults.add({ kind: 'status', status: 404, reason: 'notFound', messageId: id, times: 1 });
    await system.ingest();
    system.gmail.trash(id);
    await makeNextDue(system);
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
  });

  test.each([
    ['spam', 'SPAM'],
    ['a draft', 'DRAFT'],
  ])('a reconciliation does not store %s that is moved to the trash', async (_case, labelId) => {
    const system = await startedAnHourAgo(await createTestSystem());
    const { id } = system.gmail.deliver(mail('Not received'), { labelIds: [labelId] });
    await system.ingest();
    system.gmail.modifyLabels(id, { add: ['TRASH'], remove: [labelId] });
    await system.ingest();
    await makeNextDue(system);
    await system.ingest();
    expect(await ledger(system)).toEqual({ [id]: 'ignored: trash' });
    expect(await result(system)).toMatchObject({ gmail_count: 1, ignored_count: 1 });
  });

  test('a message that a reconciliation found is stored when it is reported as spam and deleted before it is fetched', async () => {
    const system = await startedAnHourAgo(await createTestSystem());
    const id = await hide(system);
    system.gmail.faults.add({ kind: 'status', status: 400, method: 'messages.get', messageId: id });
    await system.ingest();
    for (const [add, remove] of [
      ['SPAM', 'INBOX'],
      ['TRASH', 'SPAM'],
    ] as const) {
      system.gmail.modifyLabels(id, { add: [add], remove: [remove] });
      await system.ingest();
      // Confirms the cursor, so that the next run lists the next change alone.
      await system.ingest();
    }
    system.gmail.faults.clear();
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
  });

  test('a reconciliation stores a message that left spam without a history record', async () => {
    const system = await startedAnHourAgo(await createTestSystem());
    const { id } = system.gmail.deliver(mail('Rescued'), { labelIds: ['SPAM'] });
    await system.ingest();
    system.gmail.modifyLabels(id, { add: ['INBOX'], remove: ['SPAM'] });
    await skipHistory(system);
    await makeNextDue(system);
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
  });
});
