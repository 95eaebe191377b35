import { describe, expect, test } from 'vitest';
import { CallGate } from '../helpers/call-gate.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import { mail, order } from '../helpers/test-emails.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';
import { deliverOrders, listJobs, startHeldRun } from './scenario.ts';

const createTestSystem = useTestSystems();

describe('first start', () => {
  test('the first start pins the history id before it lists, so that messages arriving in the meantime are live', async () => {
    const gate = new CallGate();
    const system = await createTestSystem({ gmail: { timers: gate.timers } });
    const old = deliverOrders(system, 3);
    const pinned = system.gmail.historyId;
    const { running } = await startHeldRun(system, gate, 'messages.list');
    const { id } = system.gmail.deliver(mail('Second'));
    gate.release();
    await running;
    expect(await system.rows('select cursor_before from ingest_runs order by id limit 1')).toEqual([
      { cursor_before: pinned },
    ]);
    await system.ingest();
    expect(await storedIds(system)).toEqual([...old, id].sort());
  });

  test('the first start stores what its query matches, and later runs store every new message', async () => {
    const system = await createTestSystem({ env: { GMAIL_INITIAL_QUERY: 'subject:wanted' } });
    const wanted = system.gmail.deliver(mail('Wanted'), { labelIds: [] });
    system.gmail.deliver(mail('Other'));
    await system.ingest();
    const after = system.gmail.deliver(mail('Other again'));
    await system.ingest();
    expect(await storedIds(system)).toEqual([wanted.id, after.id].sort());
  });

  test('the first start continues where it was interrupted and finds messages that arrived since', async () => {
    const system = await createTestSystem();
    const ids = Array.from({ length: 1_200 }, (_, n) => system.gmail.deliver(mail(`${n}`)).id);
    // The third page never arrives, as if the process had ended there.
    system.gmail.faults.add({ kind: 'status', status: 401, method: 'messages.list', skip: 2 });
    expect(await system.ingest()).toMatchObject({ outcome: 'failed', counts: { discovered: 1_000 } });
    ids.push(system.gmail.deliver(mail('Second')).id);
    system.gmail.faults.clear();
    system.gmail.resetCounters();
    await system.instance().ingest({ budgetMs: 2_100 });
    expect(system.gmail.callLog.countByMethod['messages.list']).toBe(1);
    expect(Object.keys(await ledger(system)).sort()).toEqual(ids.sort());
  });

  test('the first listing starts over when Gmail no longer accepts its page token', async () => {
    const system = await createTestSystem();
    const ids = Array.from({ length: 600 }, (_, n) => system.gmail.deliver(mail(`${n}`)).id);
    system.gmail.faults.add({
      kind: 'status',
      status: 400,
      reason: 'invalidArgument',
      method: 'messages.list',
      skip: 1,
      times: 1,
    });
    await system.ingest({ budgetMs: 2_100 });
    expect(Object.keys(await ledger(system)).sort()).toEqual(ids.sort());
    expect(system.gmail.callLog.countByMethod['messages.list']).toBe(4);
  });

  test('the first start finds a message from just before it that the search showed late', async () => {
    const system = await createTestSystem({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    system.gmail.indexLag.listMs = 3_000;
    const { id } = system.gmail.deliver(mail('Just before'));
    await system.ingest();
    expect(await storedIds(system)).toEqual([]);
    await system.pass(91);
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
  });

  test('concurrent first starts of three instances make one', async () => {
    const system = await createTestSystem();
    const ids = deliverOrders(system, 5);
    const reports = await Promise.all([
      system.ingest(),
      system.instance().ingest(),
      system.instance().ingest(),
    ]);
    expect(reports.map((report) => report.outcome).sort()).toEqual(['busy', 'busy', 'completed']);
    expect(await storedIds(system)).toEqual(ids);
    expect(await system.rows("select 1 from list_jobs where purpose = 'initial'")).toHaveLength(1);
  });

  test('a run without credentials ends as not_configured and calls nothing', async () => {
    const system = await createTestSystem();
    const bare = system.instance({ GMAIL_REFRESH_TOKEN: '' });
    expect(await bare.ingest()).toMatchObject({ outcome: 'not_configured', error: null });
    expect(system.gmail.callLog.calls).toEqual([]);
  });
});

describe('first listing', () => {
  test('the first listing runs again after the settle time and stores what Gmail listed late', async () => {
    const system = await createTestSystem({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    Object.assign(system.gmail.indexLag, { listMs: 30_000 });
    const { id } = system.gmail.deliver(order(1));
    await system.ingest();
    expect(await storedIds(system)).toEqual([]);
    await system.pass(91);
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
    expect(await listJobs(system, 'initial')).toEqual([expect.objectContaining({ is_finished: true })]);
    expect(await system.rows("select 1 from incidents where kind = 'missing_found'")).toEqual([]);
  });
});
