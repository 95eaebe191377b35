import { describe, expect, test } from 'vitest';
import { planFullReconciliation } from '../../shared/db/reconciliation.ts';
import { type AnyRow, ageListings } from '../helpers/listing-rows.ts';
import { mail, order } from '../helpers/mails.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();
const MAILBOX = { mailboxId: 1, token: '' };

/** A mailbox that was first seen an hour ago, so that everything delivered is in the window of a reconciliation. */
async function watched(system: TestSystem): Promise<TestSystem> {
  await system.ingest();
  await system.rows("update mailboxes set created_at = created_at - interval '1 hour'");
  await nextIsDue(system);
  return system;
}

async function nextIsDue(system: TestSystem): Promise<void> {
  await ageListings(system.db, MAILBOX, 3_600);
}

/** The history never shows it: the cursor is behind it already. */
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

/** The newest that was evaluated. */
async function result(system: TestSystem): Promise<AnyRow> {
  const rows = await system.rows<AnyRow>(
    'select * from reconciliations where evaluated_at is not null order by id desc limit 1',
  );
  return rows[0];
}

async function incidents(system: TestSystem) {
  return await system.rows<AnyRow>('select kind, closed_at, detail from incidents order by id');
}

describe('a reconciliation', () => {
  test('counts what Gmail lists as stored, and misses nothing', async () => {
    const system = await watched(await createTestSystem());
    for (let n = 0; n < 6; n += 1) system.gmail.deliver(order(n));
    await system.ingest();
    expect(await result(system)).toMatchObject({ gmail_count: 6, stored_count: 6, missing_count: 0 });
    expect(await incidents(system)).toEqual([]);
  });

  test('finds what the history never showed, has it fetched, and keeps an incident until nothing is missing', async () => {
    const system = await watched(await createTestSystem());
    const id = await hide(system);
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
    await system.ingest();
    expect(await result(system)).toMatchObject({ gmail_count: 1, stored_count: 0, missing_count: 1 });
    expect(await incidents(system)).toMatchObject([
      { kind: 'missing_found', closed_at: null, detail: { gmail_message_ids: [id] } },
    ]);
    await nextIsDue(system);
    await system.ingest();
    expect(await result(system)).toMatchObject({ gmail_count: 1, stored_count: 1, missing_count: 0 });
    expect(await incidents(system)).toMatchObject([{ closed_at: expect.any(Date) }]);
  });

  test('does not call mail missing while the history may still show it', async () => {
    const system = await watched(await createTestSystem({ env: { GMAIL_SETTLE_SECONDS: '90' } }));
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

  test('counts a failing message as failed and an erased email as stored', async () => {
    const system = await watched(await createTestSystem());
    const erased = system.gmail.deliver(order(1)).id;
    await system.ingest();
    await system.rows('delete from incoming_emails');
    const failing = system.gmail.deliver(order(2)).id;
    system.gmail.faults.add({ kind: 'status', status: 400, messageId: failing });
    await nextIsDue(system);
    await system.ingest();
    expect(await ledger(system)).toEqual({ [erased]: 'stored', [failing]: 'pending' });
    expect(await result(system)).toMatchObject({
      gmail_count: 2,
      stored_count: 1,
      failed_count: 1,
      missing_count: 0,
    });
  });

  test('runs once in a quarter of an hour, and never for a push', async () => {
    const system = await watched(await createTestSystem());
    await system.switchOn();
    const listed = () => system.gmail.callLog.countByMethod['messages.list'] ?? 0;
    const before = listed();
    await system.ingest({ trigger: 'push' });
    expect(listed()).toBe(before);
    await system.ingest();
    await system.ingest();
    expect(listed()).toBe(before + 1);
    await nextIsDue(system);
    await system.ingest();
    expect(listed()).toBe(before + 2);
  });

  test('leaves alone what was in the mailbox before the first start', async () => {
    const system = await createTestSystem();
    system.gmail.deliver(mail('Read long ago'), {
      labelIds: ['INBOX'],
      internalDate: new Date(Date.now() - 86_400_000),
    });
    await watched(system);
    await system.ingest();
    expect(await result(system)).toMatchObject({ gmail_count: 0, missing_count: 0 });
    expect(await storedIds(system)).toEqual([]);
  });

  test('of everything is made when an operator asks for it', async () => {
    const system = await watched(await createTestSystem());
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

describe('what a reconciliation finds outside of the inbox', () => {
  test('is stored when it is in the trash and the history never showed it', async () => {
    const system = await watched(await createTestSystem());
    const { id } = system.gmail.deliver(mail('Deleted at once'));
    system.gmail.trash(id);
    await skipHistory(system);
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
    await system.ingest();
    expect(await result(system)).toMatchObject({ gmail_count: 1, missing_count: 1 });
  });

  test('is not fetched when it is a draft, or sent, or came into the trash by a filter', async () => {
    const system = await watched(await createTestSystem());
    system.gmail.deliver(mail('Draft'), { labelIds: ['DRAFT'] });
    system.gmail.deliver(mail('Sent'), { labelIds: ['SENT'] });
    system.gmail.deliver(mail('By a filter'), { labelIds: ['TRASH'] });
    await system.ingest();
    await nextIsDue(system);
    await system.ingest();
    expect(system.gmail.callLog.countByMethod['messages.get'] ?? 0).toBe(0);
    expect(await result(system)).toMatchObject({ gmail_count: 2, ignored_count: 2, missing_count: 0 });
  });

  test('is stored when it was thought gone and is listed', async () => {
    const system = await watched(await createTestSystem());
    const { id } = system.gmail.deliver(mail('Late'));
    system.gmail.faults.add({ kind: 'status', status: 404, reason: 'notFound', messageId: id, times: 1 });
    await system.ingest();
    await nextIsDue(system);
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
  });

  test('is stored when it was spam and is no longer, although the history never showed it', async () => {
    const system = await watched(await createTestSystem());
    const { id } = system.gmail.deliver(mail('Rescued'), { labelIds: ['SPAM'] });
    await system.ingest();
    system.gmail.modifyLabels(id, { add: ['INBOX'], remove: ['SPAM'] });
    await skipHistory(system);
    await nextIsDue(system);
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
  });
});
