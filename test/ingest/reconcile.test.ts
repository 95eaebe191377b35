import { describe, expect, test } from 'vitest';
import { planFullReconciliation } from '../../shared/db/reconciliation.ts';
import { type AnyRow, ageListings } from '../helpers/listing-rows.ts';
import { mail, order } from '../helpers/mails.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import type { World } from '../helpers/world.ts';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();
const MAILBOX = { mailboxId: 1, token: '' };

/** A mailbox that was first seen an hour ago, so that everything delivered is in the window of a reconciliation. */
async function watched(world: World): Promise<World> {
  await world.ingest();
  await world.rows("update mailboxes set created_at = created_at - interval '1 hour'");
  await nextIsDue(world);
  return world;
}

async function nextIsDue(world: World): Promise<void> {
  await ageListings(world.db, MAILBOX, 3_600);
}

/** The history never shows it: the cursor is behind it already. */
async function hide(world: World, raw = mail('Hidden'), internalDate = new Date()): Promise<string> {
  const { id } = world.gmail.deliver(raw, { internalDate });
  await skipHistory(world);
  return id;
}

async function skipHistory(world: World): Promise<void> {
  await world.rows(
    `update mailboxes
     set cursor_history_id = ${world.gmail.historyId}, unconfirmed_history_id = null, unconfirmed_at = null`,
  );
}

/** The newest that was evaluated. */
async function result(world: World): Promise<AnyRow> {
  const rows = await world.rows<AnyRow>(
    'select * from reconciliations where evaluated_at is not null order by id desc limit 1',
  );
  return rows[0];
}

async function incidents(world: World) {
  return await world.rows<AnyRow>('select kind, closed_at, detail from incidents order by id');
}

describe('a reconciliation', () => {
  test('counts what Gmail lists as stored, and misses nothing', async () => {
    const world = await watched(await createWorld());
    for (let n = 0; n < 6; n += 1) world.gmail.deliver(order(n));
    await world.ingest();
    expect(await result(world)).toMatchObject({ gmail_count: 6, stored_count: 6, missing_count: 0 });
    expect(await incidents(world)).toEqual([]);
  });

  test('finds what the history never showed, has it fetched, and keeps an incident until nothing is missing', async () => {
    const world = await watched(await createWorld());
    const id = await hide(world);
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
    await world.ingest();
    expect(await result(world)).toMatchObject({ gmail_count: 1, stored_count: 0, missing_count: 1 });
    expect(await incidents(world)).toMatchObject([
      { kind: 'missing_found', closed_at: null, detail: { gmail_message_ids: [id] } },
    ]);
    await nextIsDue(world);
    await world.ingest();
    expect(await result(world)).toMatchObject({ gmail_count: 1, stored_count: 1, missing_count: 0 });
    expect(await incidents(world)).toMatchObject([{ closed_at: expect.any(Date) }]);
  });

  test('does not call mail missing while the history may still show it', async () => {
    const world = await watched(await createWorld({ env: { GMAIL_SETTLE_SECONDS: '90' } }));
    world.gmail.indexLag.historyMs = 60_000;
    const { id } = world.gmail.deliver(mail('Fresh'));
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
    expect(await result(world)).not.toMatchObject({ gmail_count: 1 });
    world.gmail.indexLag.historyMs = 0;
    await world.ingest();
    await ageListings(world.db, MAILBOX, 91);
    await world.ingest();
    expect(await result(world)).toMatchObject({ gmail_count: 1, stored_count: 1, missing_count: 0 });
    expect(await incidents(world)).toEqual([]);
  });

  test('counts a failing message as failed and an erased email as stored', async () => {
    const world = await watched(await createWorld());
    const erased = world.gmail.deliver(order(1)).id;
    await world.ingest();
    await world.rows('delete from incoming_emails');
    const failing = world.gmail.deliver(order(2)).id;
    world.gmail.faults.add({ kind: 'status', status: 400, messageId: failing });
    await nextIsDue(world);
    await world.ingest();
    expect(await ledger(world)).toEqual({ [erased]: 'stored', [failing]: 'pending' });
    expect(await result(world)).toMatchObject({
      gmail_count: 2,
      stored_count: 1,
      failed_count: 1,
      missing_count: 0,
    });
  });

  test('runs once in a quarter of an hour, and never for a push', async () => {
    const world = await watched(await createWorld());
    await world.switchOn();
    const listed = () => world.gmail.callLog.countByMethod['messages.list'] ?? 0;
    const before = listed();
    await world.ingest({ trigger: 'push' });
    expect(listed()).toBe(before);
    await world.ingest();
    await world.ingest();
    expect(listed()).toBe(before + 1);
    await nextIsDue(world);
    await world.ingest();
    expect(listed()).toBe(before + 2);
  });

  test('leaves alone what was in the mailbox before the first start', async () => {
    const world = await createWorld();
    world.gmail.deliver(mail('Read long ago'), {
      labelIds: ['INBOX'],
      internalDate: new Date(Date.now() - 86_400_000),
    });
    await watched(world);
    await world.ingest();
    expect(await result(world)).toMatchObject({ gmail_count: 0, missing_count: 0 });
    expect(await storedIds(world)).toEqual([]);
  });

  test('of everything is made when an operator asks for it', async () => {
    const world = await watched(await createWorld());
    await world.rows("update mailboxes set created_at = created_at - interval '60 days'");
    await world.ingest();
    await ageListings(world.db, MAILBOX, 10);
    const id = await hide(world, mail('Old and hidden'), new Date(Date.now() - 40 * 86_400_000));
    await world.ingest();
    expect(await storedIds(world)).toEqual([]);
    await planFullReconciliation(world.db, 1);
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
    await world.ingest();
    expect(await result(world)).toMatchObject({ is_full: true, missing_count: 1 });
  });
});

describe('what a reconciliation finds outside of the inbox', () => {
  test('is stored when it is in the trash and the history never showed it', async () => {
    const world = await watched(await createWorld());
    const { id } = world.gmail.deliver(mail('Deleted at once'));
    world.gmail.trash(id);
    await skipHistory(world);
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
    await world.ingest();
    expect(await result(world)).toMatchObject({ gmail_count: 1, missing_count: 1 });
  });

  test('is not fetched when it is a draft, or sent, or came into the trash by a filter', async () => {
    const world = await watched(await createWorld());
    world.gmail.deliver(mail('Draft'), { labelIds: ['DRAFT'] });
    world.gmail.deliver(mail('Sent'), { labelIds: ['SENT'] });
    world.gmail.deliver(mail('By a filter'), { labelIds: ['TRASH'] });
    await world.ingest();
    await nextIsDue(world);
    await world.ingest();
    expect(world.gmail.callLog.countByMethod['messages.get'] ?? 0).toBe(0);
    expect(await result(world)).toMatchObject({ gmail_count: 2, ignored_count: 2, missing_count: 0 });
  });

  test('is stored when it was thought gone and is listed', async () => {
    const world = await watched(await createWorld());
    const { id } = world.gmail.deliver(mail('Late'));
    world.gmail.faults.add({ kind: 'status', status: 404, reason: 'notFound', messageId: id, times: 1 });
    await world.ingest();
    await nextIsDue(world);
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
  });

  test('is stored when it was spam and is no longer, although the history never showed it', async () => {
    const world = await watched(await createWorld());
    const { id } = world.gmail.deliver(mail('Rescued'), { labelIds: ['SPAM'] });
    await world.ingest();
    world.gmail.modifyLabels(id, { add: ['INBOX'], remove: ['SPAM'] });
    await skipHistory(world);
    await nextIsDue(world);
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
  });
});
