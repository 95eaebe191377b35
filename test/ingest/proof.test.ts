import { describe, expect, test } from 'vitest';
import { mail, order } from '../helpers/mails.ts';
import { storedIds } from '../helpers/stored.ts';
import type { World } from '../helpers/world.ts';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();

/** A mailbox that was first seen an hour ago, so that everything delivered lies within what a proof lists. */
async function watched(world: World): Promise<World> {
  await world.ingest();
  await world.rows("update mailboxes set created_at = created_at - interval '1 hour'");
  await forgetProofs(world);
  return world;
}

async function forgetProofs(world: World): Promise<void> {
  await world.rows("update listings set created_at = now() - interval '1 hour' where purpose = 'proof'");
}

/** The history never shows it: the cursor stands behind it already. */
async function hide(world: World): Promise<string> {
  const { id } = world.gmail.deliver(mail('Hidden'));
  await world.rows(`update mailboxes set cursor_history_id = ${world.gmail.historyId}`);
  return id;
}

async function proofOf(world: World) {
  return (await world.call('status')).json.mailboxes[0].proof;
}

describe('the proof of completeness', () => {
  test('says how many Gmail lists, how many of them the ledger has, and that none is missing', async () => {
    const world = await watched(await createWorld());
    for (let n = 0; n < 6; n += 1) world.gmail.deliver(order(n));
    await world.ingest();
    expect(await proofOf(world)).toMatchObject({ gmail_count: 6, ledger_count: 6, missing_count: 0 });
    expect(await world.rows('select 1 from incidents')).toEqual([]);
  });

  test('finds what the history never showed, has it fetched, and keeps an incident', async () => {
    const world = await watched(await createWorld());
    const id = await hide(world);
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
    expect(await proofOf(world)).toMatchObject({ gmail_count: 1, ledger_count: 0, missing_count: 1 });
    expect((await world.call('status')).json.mailboxes[0].incidents).toMatchObject([
      { kind: 'missing_found', closed_at: null, detail: { gmail_message_ids: [id] } },
    ]);
    await forgetProofs(world);
    await world.ingest();
    expect((await world.call('status')).json.mailboxes[0].incidents).toMatchObject([
      { kind: 'missing_found', closed_at: expect.any(String) },
    ]);
  });

  test('takes mail for new and not for missing while the history may still show it', async () => {
    const world = await watched(await createWorld({ env: { GMAIL_SETTLE_SECONDS: '90' } }));
    world.gmail.indexLag.historyMs = 3_600_000;
    const { id } = world.gmail.deliver(mail('Fresh'));
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
    expect(await world.rows('select 1 from incidents')).toEqual([]);
    world.gmail.indexLag.historyMs = 0;
    await world.ingest();
    expect(await proofOf(world)).toMatchObject({ gmail_count: 1, ledger_count: 1, missing_count: 0 });
    expect(await world.rows('select 1 from incidents')).toEqual([]);
  });

  test('judges as missing what the history has not shown within the settle time', async () => {
    const world = await watched(await createWorld({ env: { GMAIL_SETTLE_SECONDS: '90' } }));
    await hide(world);
    await world.ingest();
    expect(await world.rows('select 1 from incidents')).toEqual([]);
    await world.rows("update listings set finished_at = finished_at - interval '2 minutes'");
    await world.ingest();
    expect(await proofOf(world)).toMatchObject({ missing_count: 1 });
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
    await forgetProofs(world);
    await world.ingest();
    expect(listed()).toBe(before + 2);
  });

  test('lists two days and not what lies before the first start', async () => {
    const world = await createWorld();
    world.gmail.deliver(mail('Read long ago'), {
      labelIds: ['INBOX'],
      internalDate: new Date(Date.now() - 86_400_000),
    });
    await watched(world);
    await world.ingest();
    expect(await proofOf(world)).toMatchObject({ gmail_count: 0, missing_count: 0 });
    await world.rows("update mailboxes set created_at = created_at - interval '9 days'");
    await forgetProofs(world);
    await world.ingest();
    const { since } = await proofOf(world);
    expect((Date.now() - new Date(since).getTime()) / 86_400_000).toBeCloseTo(2, 1);
  });

  test('of everything is made when asked for, page by page over several runs', async () => {
    const world = await watched(await createWorld());
    await world.rows("update mailboxes set created_at = created_at - interval '9 days'");
    const { id } = world.gmail.deliver(mail('Old and hidden'), {
      internalDate: new Date(Date.now() - 5 * 86_400_000),
    });
    await world.rows(`update mailboxes set cursor_history_id = ${world.gmail.historyId}`);
    await world.ingest();
    expect(await storedIds(world)).toEqual([]);
    expect((await world.call('pollNow', { query: { prove: 'all' } })).status).toBe(200);
    expect(await storedIds(world)).toEqual([id]);
    expect(await proofOf(world)).toMatchObject({ missing_count: 1 });
  });

  test('asked for with another word is a bad request', async () => {
    const world = await createWorld();
    const { status, json } = await world.call('pollNow', { query: { prove: 'some' } });
    expect([status, json.code]).toEqual([400, 'bad_request']);
  });

  test('asks nothing again of drafts and sent mail that a rule has left out', async () => {
    const world = await watched(await createWorld());
    world.gmail.deliver(mail('Draft'), { labelIds: ['DRAFT'] });
    world.gmail.deliver(mail('Sent'), { labelIds: ['SENT'] });
    await world.ingest();
    await forgetProofs(world);
    await world.ingest();
    expect(world.gmail.callLog.countByMethod['messages.get'] ?? 0).toBe(0);
    expect(await proofOf(world)).toMatchObject({ gmail_count: 2, missing_count: 0 });
  });

  test('takes up again what was thought gone and is listed', async () => {
    const world = await watched(await createWorld());
    const { id } = world.gmail.deliver(mail('Late'));
    world.gmail.faults.add({ kind: 'status', status: 404, reason: 'notFound', messageId: id, times: 1 });
    await world.ingest();
    await forgetProofs(world);
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
  });

  test('takes up again what was spam and is no longer', async () => {
    const world = await watched(await createWorld());
    const { id } = world.gmail.deliver(mail('Rescued'), { labelIds: ['SPAM'] });
    await world.ingest();
    world.gmail.modifyLabels(id, { add: ['INBOX'], remove: ['SPAM'] });
    await world.rows(`update mailboxes set cursor_history_id = ${world.gmail.historyId}`);
    await forgetProofs(world);
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
  });
});
