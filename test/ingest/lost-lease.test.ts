import { describe, expect, test } from 'vitest';
import { CallGate } from '../helpers/call-gate.ts';
import { expireLease, mailboxRow } from '../helpers/leased-mailbox.ts';
import { incompleteEmails, storedIds } from '../helpers/stored.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { deliverOrders, startHeldRun, useIngestSystems } from './scenario.ts';

const { startedSystem } = useIngestSystems();
const LEASE = { mailboxId: 1, token: '' };

describe('lost lease', () => {
  test.each(['expired', 'replaced'])(
    'a run whose lease is %s while it fetches writes neither emails nor state',
    async (how) => {
      const gate = new CallGate();
      const system = await startedSystem({ gmail: { timers: gate.timers } });
      const ids = deliverOrders(system, 3);
      const { running } = await startHeldRun(system, gate, 'messages.get');
      if (how === 'expired') await expireLease(system.db, LEASE);
      else {
        await system.db.query(
          "update mailboxes set lease_token = gen_random_uuid(), lease_holder = 'other', lease_expires_at = now() + interval '40 seconds'",
        );
      }
      const before = await mailboxRow(system.db, LEASE);
      gate.release();
      expect(await running).toMatchObject({
        outcome: 'failed',
        error: { code: 'lease_lost' },
        counts: { stored: 0 },
      });
      expect(await storedIds(system)).toEqual([]);
      const after = await mailboxRow(system.db, LEASE);
      for (const column of ['cursor_history_id', 'failure_count', 'last_success_at', 'last_error_code']) {
        expect([column, after[column]]).toEqual([column, before[column]]);
      }
      if (how === 'replaced') expect(after.lease_token).toBe(before.lease_token);
      // The next holder stores each once.
      await system.db.query('update mailboxes set lease_expires_at = null');
      await system.instance().ingest();
      expect(await storedIds(system)).toEqual(ids);
      expect(await incompleteEmails(system)).toEqual([]);
    },
  );

  test('a run that lost its lease leaves the mailbox state to the new holder', async () => {
    const gate = new CallGate();
    const system = await startedSystem({ gmail: { timers: gate.timers } });
    const { running } = await startHeldRun(system, gate, 'history.list');
    await system.db.query(
      "update mailboxes set lease_token = gen_random_uuid(), lease_expires_at = now() + interval '40 seconds', failure_count = 4",
    );
    gate.release();
    await running;
    expect(await mailboxRow(system.db, LEASE)).toMatchObject({
      failure_count: 4,
      lease_token: expect.any(String),
    });
  });

  test('a run that lost its lease and fails for another reason leaves the mailbox state to the new holder', async () => {
    let isLost = false;
    const system: TestSystem = await startedSystem({
      onSleep: async () => {
        if (isLost) return;
        isLost = true;
        await system.db.query(
          "update mailboxes set lease_token = gen_random_uuid(), lease_expires_at = now() + interval '40 seconds'",
        );
      },
    });
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    expect(await system.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'gmail_unavailable' } });
    expect(await mailboxRow(system.db, LEASE)).toMatchObject({
      failure_count: 0,
      lease_token: expect.any(String),
    });
    expect(await system.rows('select last_error_code from email_monitor_status')).toEqual([
      { last_error_code: null },
    ]);
    expect(await system.rows('select outcome from ingest_runs order by id desc limit 1')).toEqual([
      { outcome: 'failed' },
    ]);
  });
});
