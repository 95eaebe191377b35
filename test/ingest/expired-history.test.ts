import { describe, expect, test } from 'vitest';
import { type AnyRow, ageListings } from '../helpers/listing-rows.ts';
import { storedIds } from '../helpers/stored.ts';
import { mail, order } from '../helpers/test-emails.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();

function deliver(system: TestSystem, count: number): string[] {
  return Array.from({ length: count }, (_, n) => system.gmail.deliver(order(n)).id);
}

async function incidents(system: TestSystem, kind = 'history_expired') {
  return await system.rows<AnyRow>(
    'select kind, closed_at, detail from incidents where kind = $1 order by id',
    [kind],
  );
}

describe('expired history', () => {
  test('lists and fetches the gap of an expired history and closes its incident', async () => {
    const system = await createTestSystem();
    await system.ingest();
    const ids = deliver(system, 7);
    system.gmail.expireHistory();
    ids.push(...deliver(system, 2));
    expect(await system.ingest()).toMatchObject({ outcome: 'completed', counts: { stored: 9 } });
    expect(await storedIds(system)).toEqual(ids.toSorted());
    expect(await incidents(system)).toEqual([
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

  test('pins the current history id before it lists the gap, so that messages arriving in the meantime are found', async () => {
    const system = await createTestSystem();
    await system.ingest();
    deliver(system, 3);
    system.gmail.expireHistory();
    const pinned = system.gmail.historyId;
    await system.ingest();
    const [incident] = await incidents(system);
    expect(incident.detail.pinned_history_id).toBe(pinned);
    const { id } = system.gmail.deliver(mail('Afterwards'));
    await system.ingest();
    expect(await storedIds(system)).toContain(id);
  });

  test('does not fetch stored messages again after the history expired', async () => {
    const system = await createTestSystem();
    await system.ingest();
    const known = deliver(system, 4);
    await system.ingest();
    system.gmail.expireHistory();
    const { id } = system.gmail.deliver(mail('New'));
    await system.rows('update mailboxes set cursor_history_id = 1');
    const calls = system.gmail.callLog.countByMethod['messages.get'] ?? 0;
    await system.ingest();
    expect(await storedIds(system)).toEqual([...known, id].toSorted());
    expect((system.gmail.callLog.countByMethod['messages.get'] ?? 0) - calls).toBe(1);
  });

  test('lists the gap again after the settle time, because Gmail lists messages from just before the pin late', async () => {
    const system = await createTestSystem({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    await system.ingest();
    // Neither the history nor the list shows it yet when the history expires.
    Object.assign(system.gmail.indexLag, { historyMs: 1_000, listMs: 30_000 });
    const { id } = system.gmail.deliver(order(1));
    system.gmail.expireHistory();
    await system.ingest();
    expect(await storedIds(system)).toEqual([]);
    expect(await incidents(system)).toMatchObject([{ closed_at: null }]);
    await system.pass(100);
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
    expect(await incidents(system)).toMatchObject([{ closed_at: expect.any(Date) }]);
    expect(await incidents(system, 'missing_found')).toEqual([]);
  });

  test('a history that expires again before the second listing of its gap gets another second listing', async () => {
    const system = await createTestSystem({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    await system.ingest();
    Object.assign(system.gmail.indexLag, { historyMs: 1_000, listMs: 60_000 });
    const ids = [system.gmail.deliver(order(1)).id];
    system.gmail.expireHistory();
    await system.ingest();
    await system.pass(80);
    ids.push(system.gmail.deliver(order(2)).id);
    system.gmail.expireHistory();
    await system.ingest();
    await system.pass(20);
    await system.ingest();
    await system.pass(100);
    await system.ingest();
    expect(await storedIds(system)).toEqual(ids.toSorted());
  });

  test('a gap listing stores no message from before the first start', async () => {
    const system = await createTestSystem();
    system.gmail.deliver(mail('Read long ago'), {
      labelIds: ['INBOX'],
      internalDate: new Date(Date.now() - 86_400_000),
    });
    await system.ingest();
    system.gmail.expireHistory();
    await system.rows('update mailboxes set cursor_history_id = 1');
    await system.ingest();
    expect(await storedIds(system)).toEqual([]);
  });

  test('a gap listing stores a message deleted during the gap, but not one that arrived in the trash before it', async () => {
    const system = await createTestSystem();
    await system.ingest();
    system.gmail.deliver(mail('By a filter'), { labelIds: ['TRASH'] });
    await system.ingest();
    const { id } = system.gmail.deliver(mail('Deleted'));
    system.gmail.trash(id);
    system.gmail.expireHistory();
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
  });

  test('keeps the incident open while a message of the gap is pending', async () => {
    const system = await createTestSystem();
    await system.ingest();
    const [id = ''] = deliver(system, 1);
    const fault = system.gmail.faults.add({
      kind: 'status',
      status: 400,
      reason: 'failedPrecondition',
      messageId: id,
    });
    system.gmail.expireHistory();
    await system.ingest();
    expect(await incidents(system)).toMatchObject([{ closed_at: null }]);
    system.gmail.faults.remove(fault);
    await system.ingest();
    expect(await incidents(system)).toMatchObject([{ closed_at: expect.any(Date) }]);
  });

  test('records one incident for a history that expires repeatedly', async () => {
    const system = await createTestSystem();
    await system.ingest();
    for (let n = 0; n < 3; n += 1) {
      const { id } = system.gmail.deliver(mail(`Order ${n}`));
      system.gmail.expireHistory();
      await system.ingest();
      expect(await storedIds(system)).toContain(id);
    }
    expect(await incidents(system)).toMatchObject([{ closed_at: expect.any(Date) }]);
  });

  test('a reconciliation waits until the gap is listed and reports no message of the gap as missing', async () => {
    const system = await createTestSystem({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    await system.ingest();
    await system.pass(91);
    await system.ingest();
    await ageListings(system.db, { mailboxId: 1, token: '' }, 3_600);
    const { id } = system.gmail.deliver(mail('In the gap'));
    system.gmail.expireHistory();
    await system.ingest();
    const evaluated = async () =>
      await system.rows<AnyRow>(
        "select * from reconciliations where evaluated_at is not null and started_at > now() - interval '10 minutes'",
      );
    expect(await evaluated()).toEqual([]);
    for (let n = 0; n < 3; n += 1) {
      await system.pass(91);
      await system.ingest();
    }
    expect(await storedIds(system)).toEqual([id]);
    expect(await evaluated()).toMatchObject([{ gmail_count: 1, missing_count: 0 }]);
    expect(await incidents(system, 'missing_found')).toEqual([]);
  });
});
