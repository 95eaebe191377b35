import { describe, expect, test } from 'vitest';
import { mail, order } from '../helpers/mails.ts';
import { storedIds } from '../helpers/stored.ts';
import type { World } from '../helpers/world.ts';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();

function deliver(world: World, count: number): string[] {
  return Array.from({ length: count }, (_, n) => world.gmail.deliver(order(n)).id);
}

async function incidents(world: World) {
  return await world.rows<{ kind: string; closed_at: Date | null; detail: Record<string, unknown> }>(
    'select kind, closed_at, detail from incidents order by id',
  );
}

describe('an expired history', () => {
  test('costs no mail: the gap is listed, fetched, and stands as an incident that has ended', async () => {
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
          query: expect.stringMatching(/^after:\d+$/),
          new_count: 9,
        }),
      },
    ]);
    expect((await world.call('status')).json.mailboxes[0].incidents).toHaveLength(1);
  });

  test('pins the present history before it lists, so that mail arriving meanwhile is found', async () => {
    const world = await createWorld();
    await world.ingest();
    deliver(world, 3);
    world.gmail.expireHistory();
    const pinned = world.gmail.historyId;
    await world.ingest();
    const [incident] = await incidents(world);
    expect(incident?.detail['pinned_history_id']).toBe(pinned);
    const { id } = world.gmail.deliver(mail('Afterwards'));
    await world.ingest();
    expect(await storedIds(world)).toContain(id);
  });

  test('lists again from the life of spam before the last proof, and the ledger absorbs the repeats', async () => {
    const world = await createWorld();
    await world.ingest();
    const known = deliver(world, 4);
    await world.ingest();
    await world.rows(
      "update mailboxes set created_at = created_at - interval '90 days', proved_at = now() - interval '3 days'",
    );
    world.gmail.expireHistory();
    const { id } = world.gmail.deliver(mail('New'));
    await world.rows('update mailboxes set cursor_history_id = 1');
    const calls = world.gmail.callLog.countByMethod['messages.get'] ?? 0;
    await world.ingest();
    expect(await storedIds(world)).toEqual([...known, id].toSorted());
    expect((world.gmail.callLog.countByMethod['messages.get'] ?? 0) - calls).toBe(1);
    const [listing] = await world.rows<{ days: number }>(
      `select extract(epoch from now() - to_timestamp(substring(query from 'after:(.*)')::bigint)) / 86400 as days
       from listings where purpose = 'gap' and query like 'after:%'`,
    );
    expect(Number(listing?.days)).toBeCloseTo(34, 2);
  });

  test('is listed again after the settle time: the list shows what came just before the pin with a lag', async () => {
    const world = await createWorld({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    await world.ingest();
    // Neither the history nor the list shows it yet when the history expires.
    Object.assign(world.gmail.indexLag, { historyMs: 1_000, listMs: 30_000 });
    const { id } = world.gmail.deliver(order(1));
    world.gmail.expireHistory();
    await world.ingest();
    expect(await storedIds(world)).toEqual([]);
    expect(await incidents(world)).toEqual([expect.objectContaining({ closed_at: null })]);
    await world.pass(100);
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
    expect(await incidents(world)).toEqual([expect.objectContaining({ closed_at: expect.any(Date) })]);
    expect(await world.rows("select 1 from incidents where kind = 'missing_found'")).toEqual([]);
  });

  test('that expires again before its second listing begins again, second listing and all', async () => {
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
    world.gmail.deliver(mail('Read long ago'), { labelIds: ['INBOX'] });
    await world.ingest();
    world.gmail.expireHistory();
    await world.rows('update mailboxes set cursor_history_id = 1');
    await world.ingest();
    expect(await storedIds(world)).toEqual([]);
  });

  test('stays open while something of the gap waits', async () => {
    const world = await createWorld();
    await world.ingest();
    const [id = ''] = deliver(world, 1);
    world.gmail.faults.add({
      kind: 'status',
      status: 400,
      reason: 'failedPrecondition',
      messageId: id,
      times: 1,
    });
    world.gmail.expireHistory();
    await world.ingest();
    expect(await incidents(world)).toMatchObject([{ closed_at: null }]);
    await world.ingest();
    expect(await incidents(world)).toMatchObject([{ closed_at: expect.any(Date) }]);
  });

  test('takes what was thrown away meanwhile, and not what came into the trash before', async () => {
    const world = await createWorld();
    await world.ingest();
    world.gmail.deliver(mail('By a filter'), { labelIds: ['TRASH'] });
    await world.ingest();
    const { id } = world.gmail.deliver(mail('Thrown away'));
    world.gmail.trash(id);
    world.gmail.expireHistory();
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
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

  test('puts a proof off until it is listed, so that what it still has to find is not called missing', async () => {
    const world = await createWorld({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    await world.ingest();
    await world.pass(91);
    await world.ingest();
    await world.rows("update listings set created_at = now() - interval '1 hour' where purpose = 'proof'");
    const { id } = world.gmail.deliver(mail('In the gap'));
    world.gmail.expireHistory();
    await world.ingest();
    const open =
      "select purpose from listings where finished_at is null and purpose <> 'initial' order by purpose";
    expect((await world.rows(open)).map((row) => row['purpose'])).toContain('proof');
    await world.pass(91);
    await world.ingest();
    await world.pass(91);
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
    expect(await world.rows("select 1 from incidents where kind = 'missing_found'")).toEqual([]);
    expect((await world.call('status')).json.mailboxes[0].proof).toMatchObject({ missing_count: 0 });
  });
});
