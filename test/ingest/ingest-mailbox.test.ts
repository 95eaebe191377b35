import { describe, expect, test } from 'vitest';
import { CallGate } from '../helpers/call-gate.ts';
import { mailboxRow } from '../helpers/leased-mailbox.ts';
import { storedBytes, storedIds } from '../helpers/stored.ts';
import { order } from '../helpers/test-emails.ts';
import { deliverOrders, notificationOf, startHeldRun, useIngestSystems } from './scenario.ts';

const { createTestSystem, startedSystem, runningSystem } = useIngestSystems();
const LEASE = { mailboxId: 1, token: '' };

describe('is_running flag', () => {
  test('a stopped monitor skips polls and pushes but not manual runs, and loses no message', async () => {
    const system = await startedSystem();
    const ids = deliverOrders(system, 2);
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'stopped' });
    await system.call('gmailPush', { body: notificationOf(system) });
    expect(await storedIds(system)).toEqual([]);
    expect((await mailboxRow(system.db, LEASE)).hint_history_id).toBe(system.gmail.historyId);
    expect(await system.ingest({ trigger: 'manual' })).toMatchObject({
      outcome: 'completed',
      counts: { stored: 2 },
    });
    expect(await storedIds(system)).toEqual(ids);
  });
});

describe('backoff', () => {
  test('the backoff doubles from 5 s up to 300 s, and a success ends it', async () => {
    const system = await startedSystem();
    await system.turnOn();
    const fault = system.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    const waits: number[] = [];
    for (let n = 1; n <= 8; n += 1) {
      expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'failed' });
      expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'not_due' });
      expect(await system.ingest({ trigger: 'push' })).toMatchObject({ outcome: 'not_due' });
      const rows = await system.rows<{ s: number }>(
        'select round(extract(epoch from next_poll_at - (select max(finished_at) from ingest_runs)))::integer as s from mailboxes',
      );
      waits.push(rows[0]?.s ?? 0);
      await system.pass(301);
    }
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 300, 300]);
    expect(await system.rows('select last_error_code from email_monitor_status')).toEqual([
      { last_error_code: 'gmail_unavailable' },
    ]);
    system.gmail.faults.remove(fault);
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'completed' });
    expect(await mailboxRow(system.db, LEASE)).toMatchObject({
      failure_count: 0,
      next_poll_at: null,
      last_error: null,
    });
    expect(await system.rows('select last_error_code from email_monitor_status')).toEqual([
      { last_error_code: null },
    ]);
  });

  test('a manual run ignores the backoff', async () => {
    const system = await startedSystem();
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list', times: 4 });
    expect(await system.ingest()).toMatchObject({ outcome: 'failed' });
    expect(await system.ingest({ trigger: 'manual' })).toMatchObject({ outcome: 'completed' });
  });

  test('a poll interval above one minute delays scheduled runs after a success, but not pushes', async () => {
    const system = await createTestSystem({ env: { GMAIL_POLL_INTERVAL_SECONDS: '600' } });
    await system.turnOn();
    await system.ingest({ trigger: 'schedule' });
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'not_due' });
    await system.pass(300);
    expect(await system.ingest({ trigger: 'push' })).toMatchObject({ outcome: 'completed' });
    await system.pass(296);
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'completed' });
  });

  test('a Retry-After beyond the time of the run sets the next poll of the mailbox', async () => {
    const system = await runningSystem();
    system.gmail.faults.add({
      kind: 'status',
      status: 503,
      retryAfterSeconds: 1_200,
      method: 'history.list',
    });
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'failed' });
    const rows = await system.rows<{ s: number }>(
      'select round(extract(epoch from next_poll_at - (select max(finished_at) from ingest_runs)))::integer as s from mailboxes',
    );
    expect(rows[0]?.s).toBe(1_200);
  });
});

describe('revoked refresh token', () => {
  test('a refresh token revoked during a run leaves cursor and ledger unchanged, is logged once, and loses no message', async () => {
    const gate = new CallGate();
    const system = await startedSystem({ gmail: { timers: gate.timers } });
    const ids = deliverOrders(system, 12);
    const { running } = await startHeldRun(system, gate, 'messages.get');
    system.gmail.revokeRefreshToken();
    gate.release();
    expect(await running).toMatchObject({ outcome: 'failed', error: { code: 'reauth_required' } });
    expect(system.log.filter((line) => line['severity'] === 'ERROR')).toHaveLength(1);
    expect(
      await system.rows(
        "select 1 from email_ledger where state = 'pending' and (attempt_count > 0 or claim_token is not null)",
      ),
    ).toEqual([]);
    const before = await mailboxRow(system.db, LEASE);
    expect(await system.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'reauth_required' } });
    expect((await mailboxRow(system.db, LEASE)).cursor_history_id).toBe(before.cursor_history_id);
    system.gmail.reauthorize('1//new-token');
    const renewed = system.instance({ GMAIL_REFRESH_TOKEN: '1//new-token' });
    expect(await renewed.ingest()).toMatchObject({ outcome: 'completed' });
    expect(await storedIds(system)).toEqual(ids);
    expect(await system.rows('select 1 from mailboxes')).toHaveLength(1);
  });
});

test('a run leaves its mailbox to other credentials that take it over while it identifies the mailbox', async () => {
  const system = await createTestSystem();
  await system.ingest();
  await system.rows(`update mailboxes set credential_fingerprint = 'of the other deployment'`);
  await system.rows(`
    create function take_over() returns trigger language plpgsql as
    $$ begin new.credential_fingerprint := 'of the other deployment'; return new; end $$`);
  await system.rows(
    'create trigger take_over before update of credential_fingerprint on mailboxes for each row execute function take_over()',
  );
  expect(await system.ingest()).toMatchObject({ outcome: 'busy', error: null });
  await system.rows('drop trigger take_over on mailboxes');
  expect(await system.ingest()).toMatchObject({ outcome: 'completed' });
});

describe('run record', () => {
  test('a run writes one row and one log line with its counts', async () => {
    const system = await startedSystem();
    // The first reconciliation.
    await system.ingest();
    const raw = order(1);
    const { id } = system.gmail.deliver(raw);
    system.log.length = 0;
    await system.ingest();
    expect((await storedBytes(system)).get(id)).toEqual(raw);
    const lines = system.log.filter((line) => line['event'] === 'run_finished');
    expect(lines).toEqual([
      expect.objectContaining({ outcome: 'completed', stored_count: 1, quota_units: 22 }),
    ]);
    expect(
      await system.rows(
        'select outcome, stored_count, quota_units from ingest_runs order by id desc limit 1',
      ),
    ).toEqual([{ outcome: 'completed', stored_count: 1, quota_units: 22 }]);
  });
});
