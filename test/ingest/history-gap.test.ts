import { describe, expect, test } from 'vitest';
import { type AnyRow, ageListings } from '../helpers/listing-rows.ts';
import { mail, order } from '../helpers/mails.ts';
import { storedIds } from '../helpers/stored.ts';
import type { World } from '../helpers/world.ts';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();

function deliver(world: World, count: number): string[] {
  return Array.from({ length: count }, (_, n) => world.gmail.deliver(order(n)).id);
}

async function incidents(world: World, kind = 'history_expired') {
  return await world.rows<AnyRow>(
    'select kind, closed_at, detail from incidents where kind = $1 order by id',
    [kind],
  );
}

describe('an expired history', () => {
  test('loses no mail: the gap is listed and fetched, and the incident is closed', async () => {
    const world = await createWorld();
    await world.ingest();
    const ids = deliver(world, 7);
    world.gmail.expireHistory();
    ids.push(...deliver(world, 2));
    expect(await world.ingest()).toMatchObject({ outcome: 'completed', counts: { stored: 9 } });
    expect(await storedIds(world)).toEqual(ids.toSorted());
    expect(await incidents(world)).toEqual([
      {
        kind: 'history_expired',
        closed_at: expect.any(Date),
        detail: expect.objectContaining({
          query: expect.stringMatching(/^-in:spam -in:drafts after:\d+$/),
          new_count: 9,
        }),
      },
    ]);
  });

  test('pins the current history before the gap is listed, so that mail arriving meanwhile is found', async () => {
    const world = await createWorld();
    await world.ingest();
    deliver(world, 3);
    world.gmail.expireHistory();
    const pinned = world.gmail.historyId;
    await world.ingest();
    const [incident] = await incidents(world);
    expect(incident.detail.pinned_history_id).toBe(pinned);
    const { id } = world.gmail.deliver(mail('Afterwards'));
    await world.ingest();
    expect(await storedIds(world)).toContain(id);
  });

  test('fetches nothing again that is stored already', async () => {
    const world = await createWorld();
    await world.ingest();
    const known = deliver(world, 4);
    await world.ingest();
    world.gmail.expireHistory();
    const { id } = world.gmail.deliver(mail('New'));
    await world.rows('update mailboxes set cursor_history_id = 1');
    const calls = world.gmail.callLog.countByMethod['messages.get'] ?? 0;
    await world.ingest();
    expect(await storedIds(world)).toEqual([...known, id].toSorted());
    expect((world.gmail.callLog.countByMethod['messages.get'] ?? 0) - calls).toBe(1);
  });

  test('is listed again after the settle time, because the list shows what came just before the pin with a lag', async () => {
    const world = await createWorld({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    await world.ingest();
    // Neither the history nor the list shows it yet when the history expires.
    Object.assign(world.gmail.indexLag, { historyMs: 1_000, listMs: 30_000 });
    const { id } = world.gmail.deliver(order(1));
    world.gmail.expireHistory();
    await world.ingest();
    expect(await storedIds(world)).toEqual([]);
    expect(await incidents(world)).toMatchObject([{ closed_at: null }]);
    await world.pass(100);
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
    expect(await incidents(world)).toMatchObject([{ closed_at: expect.any(Date) }]);
    expect(await incidents(world, 'missing_found')).toEqual([]);
  });

  test('that expires again before its second listing begins again, with a second listing of its own', async () => {
    const world = await createWorld({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    await world.ingest();
    Object.assign(world.gmail.indexLag, { historyMs: 1_000, listMs: 60_000 });
    const ids = [world.gmail.deliver(order(1)).id];
    world.gmail.expireHistory();
    await world.ingest();
    await world.pass(80);
    ids.push(world.gmail.deliver(order(2)).id);
    world.gmail.expireHistory();
    await world.ingest();
    await world.pass(20);
    await world.ingest();
    await world.pass(100);
    await world.ingest();
    expect(await storedIds(world)).toEqual(ids.toSorted());
  });

  test('takes nothing that was in the mailbox before the first start', async () => {
    const world = await createWorld();
    world.gmail.deliver(mail('Read long ago'), {
      labelIds: ['INBOX'],
      internalDate: new Date(Date.now() - 86_400_000),
    });
    await world.ingest();
    world.gmail.expireHistory();
    await world.rows('update mailboxes set cursor_history_id = 1');
    await world.ingest();
    expect(await storedIds(world)).toEqual([]);
  });

  test('takes what was deleted meanwhile, and not what came into the trash before', async () => {
    const world = await createWorld();
    await world.ingest();
    world.gmail.deliver(mail('By a filter'), { labelIds: ['TRASH'] });
    await world.ingest();
    const { id } = world.gmail.deliver(mail('Deleted'));
    world.gmail.trash(id);
    world.gmail.expireHistory();
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
  });

  test('stays an open incident while a message of the gap is pending', async () => {
    const world = await createWorld();
    await world.ingest();
    const [id = ''] = deliver(world, 1);
    const fault = world.gmail.faults.add({
      kind: 'status',
      status: 400,
      reason: 'failedPrecondition',
      messageId: id,
    });
    world.gmail.expireHistory();
    await world.ingest();
    expect(await incidents(world)).toMatchObject([{ closed_at: null }]);
    world.gmail.faults.remove(fault);
    await world.ingest();
    expect(await incidents(world)).toMatchObject([{ closed_at: expect.any(Date) }]);
  });

  test('that expires again and again is one incident', async () => {
    const world = await createWorld();
    await world.ingest();
    for (let n = 0; n < 3; n += 1) {
      const { id } = world.gmail.deliver(mail(`Order ${n}`));
      world.gmail.expireHistory();
      await world.ingest();
      expect(await storedIds(world)).toContain(id);
    }
    expect(await incidents(world)).toMatchObject([{ closed_at: expect.any(Date) }]);
  });

  test('makes a reconciliation wait until the gap is listed, so that nothing of the gap is called missing', async () => {
    const world = await createWorld({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    await world.ingest();
    await world.pass(91);
    await world.ingest();
    await ageListings(world.db, { mailboxId: 1, token: '' }, 3_600);
    const { id } = world.gmail.deliver(mail('In the gap'));
    world.gmail.expireHistory();
    await world.ingest();
    const evaluated = async () =>
      await world.rows<AnyRow>(
        "select * from reconciliations where evaluated_at is not null and started_at > now() - interval '10 minutes'",
      );
    expect(await evaluated()).toEqual([]);
    for (let n = 0; n < 3; n += 1) {
      await world.pass(91);
      await world.ingest();
    }
    expect(await storedIds(world)).toEqual([id]);
    expect(await evaluated()).toMatchObject([{ gmail_count: 1, missing_count: 0 }]);
    expect(await incidents(world, 'missing_found')).toEqual([]);
  });
});
