import { describe, expect, test } from 'vitest';
import { CallGate } from '../helpers/call-gate.ts';
import { mailboxRow } from '../helpers/leased-mailbox.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import { mail } from '../helpers/test-emails.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { deliverOrders, notificationOf, startHeldRun, useIngestSystems } from './scenario.ts';

const { createTestSystem, startedSystem, runningSystem } = useIngestSystems();
const LEASE = { mailboxId: 1, token: '' };

describe('hint', () => {
  test('a run stores the message of a push that arrives while it works, before it releases the lease', async () => {
    const gate = new CallGate();
    const system = await startedSystem({ gmail: { timers: gate.timers } });
    await system.turnOn();
    const first = deliverOrders(system, 1);
    const { running } = await startHeldRun(system, gate, 'messages.get');
    const { id } = system.gmail.deliver(mail('Second'));
    const pushed = system.instance();
    expect(await pushed.call('gmailPush', { body: notificationOf(system) })).toMatchObject({
      status: 204,
    });
    expect(pushed.log.some((line) => line['outcome'] === 'busy')).toBe(true);
    gate.release();
    await running;
    expect(await storedIds(system)).toEqual([...first, id].sort());
  });

  test('a run that works again for a push keeps the label that its reconciliation has found', async () => {
    const gate = new CallGate();
    const system = await createTestSystem({
      env: { GMAIL_LABEL_ID: 'Orders' },
      gmail: { timers: gate.timers },
    });
    const former = system.gmail.createLabel('Orders');
    await system.turnOn();
    await system.ingest();
    system.gmail.deleteLabel(former);
    system.gmail.createLabel('Other');
    const present = system.gmail.createLabel('Orders');
    expect(present).not.toBe(former);
    await system.pass(3_600);
    const first = system.gmail.deliver(mail('First'), { filterLabelIds: [present] });
    const { running } = await startHeldRun(system, gate, 'messages.get');
    const second = system.gmail.deliver(mail('Second'), { filterLabelIds: [present] });
    await system.instance().call('gmailPush', { body: notificationOf(system) });
    gate.release();
    await running;
    expect(await ledger(system)).toEqual({ [first.id]: 'stored', [second.id]: 'stored' });
    expect(await system.rows("select 1 from ingest_runs where outcome = 'completed'")).toHaveLength(2);
  });

  test('a hint beyond everything that Gmail lists ends after four waits and releases the lease', async () => {
    const system = await startedSystem();
    await system.db.query('update mailboxes set hint_history_id = 18446744073709551615, hint_at = now()');
    expect(await system.ingest()).toMatchObject({ outcome: 'completed' });
    expect(system.sleeps).toEqual([400, 800, 1_600, 3_200]);
    expect((await mailboxRow(system.db, LEASE)).lease_token).toBeNull();
  });
});

describe('push', () => {
  test('a push for a deletion ends without waiting for another history record', async () => {
    const system = await runningSystem();
    const { id } = system.gmail.deliver(mail('Order'));
    await system.ingest();
    system.gmail.delete(id);
    await system.call('gmailPush', { body: notificationOf(system) });
    expect(system.sleeps).toEqual([]);
  });

  test('a push for a saved draft ends without waiting for another history record', async () => {
    const system = await runningSystem();
    system.gmail.saveDraft(mail('Draft'));
    system.gmail.saveDraft(mail('Draft again'));
    await system.call('gmailPush', { body: notificationOf(system) });
    expect(system.sleeps).toEqual([]);
  });
});

describe('discovery error', () => {
  test('a history that keeps expiring does not block messages in the ledger', async () => {
    const system = await startedSystem();
    const ids = deliverOrders(system, 3);
    const faults = ids.map((messageId) =>
      system.gmail.faults.add({ kind: 'status', status: 400, messageId, times: 1 }),
    );
    await system.ingest();
    expect(faults).toHaveLength(3);
    system.gmail.deliver(mail('In the gap'));
    system.gmail.faults.add({ kind: 'status', status: 404, reason: 'notFound', method: 'history.list' });
    expect(await system.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'history_expired' } });
    expect(await storedIds(system)).toEqual(expect.arrayContaining(ids));
  });

  test('a listing that Gmail rejects does not block live messages', async () => {
    const system = await startedSystem();
    await system.db.query(
      "insert into list_jobs (mailbox_id, purpose, query) values (1, 'backfill', 'in:anywhere')",
    );
    system.gmail.faults.add({
      kind: 'status',
      status: 400,
      reason: 'invalidArgument',
      method: 'messages.list',
    });
    const ids = deliverOrders(system, 3);
    expect(await system.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'gmail_refused' } });
    expect(await storedIds(system)).toEqual(ids);
  });
});

describe('account check', () => {
  test('an account check that fails before a reconciliation does not block known messages', async () => {
    const system = await runningSystem();
    await system.ingest({ trigger: 'schedule' });
    await system.pass(1_000);
    const { id } = system.gmail.deliver(mail('Order'));
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'getProfile' });
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'failed' });
    expect(await storedIds(system)).toEqual([id]);
  });
});

describe('recreated label', () => {
  test('a run uses a label that was recreated under the same name and stores a message that it had ignored', async () => {
    const system = await createTestSystem({ env: { GMAIL_LABEL_ID: 'Orders' } });
    const first = system.gmail.createLabel('Orders');
    await system.turnOn();
    await system.ingest({ trigger: 'schedule' });
    await system.ingest({ trigger: 'schedule' });
    system.gmail.deleteLabel(first);
    system.gmail.createLabel('Spare');
    const second = system.gmail.createLabel('Orders');
    const { id } = system.gmail.deliver(mail('Order'), { labelIds: ['INBOX', second] });
    await system.ingest({ trigger: 'schedule' });
    await system.pass(1_000);
    await system.ingest({ trigger: 'schedule' });
    expect(await ledger(system)).toMatchObject({ [id]: 'stored' });
    expect(await system.rows('select error_code from reconciliations where error_code is not null')).toEqual(
      [],
    );
  });
});

describe('stop during a run', () => {
  test('a run ends in its next round after the monitor is stopped, and does not register the watch again', async () => {
    const system: TestSystem = await runningSystem({
      env: {
        GMAIL_QUOTA_UNITS_PER_MINUTE: '600',
        GMAIL_PUBSUB_TOPIC: 'projects/orders-project/topics/gmail',
      },
      onSleep: async () => {
        if (system.sleeps.length === 20) await system.call('stop');
      },
    });
    for (let n = 0; n < 400; n += 1) system.gmail.deliver(mail(`${n}`));
    const report = await system.ingest({ trigger: 'schedule', budgetMs: 600_000 });
    expect(report).toMatchObject({ outcome: 'stopped', error: null });
    expect(report.counts.stored).toBeLessThan(200);
    expect(await system.rows('select 1 from mailbox_watches where topic is not null')).toEqual([]);
  });

  test('a run ends in its next round after its mailbox is paused', async () => {
    const system: TestSystem = await runningSystem({
      env: { GMAIL_QUOTA_UNITS_PER_MINUTE: '600' },
      onSleep: async () => {
        if (system.sleeps.length !== 20) return;
        await system.rows(
          `insert into mailbox_settings (email_address, mailbox_id, access, is_paused)
           select email_address, id, 'environment', true
           from mailboxes`,
        );
      },
    });
    for (let n = 0; n < 400; n += 1) system.gmail.deliver(mail(`${n}`));
    const report = await system.ingest({ trigger: 'schedule', budgetMs: 600_000 });
    expect(report).toMatchObject({ outcome: 'stopped', error: null });
    expect(report.counts.stored).toBeLessThan(200);
  });
});
