/** What a run reports when Gmail, the quota or an operator ends it: never fine when something was left undone. */
import { describe, expect, test, vi } from 'vitest';
import { Deadline } from '../../shared/deadline.ts';
import { createIngestContext } from '../../shared/ingest/ingest-context.ts';
import { ingestMailbox } from '../../shared/ingest/ingest-mailbox.ts';
import { AimdLimit } from '../../shared/limits/aimd-limit.ts';
import { CallGate } from '../helpers/call-gate.ts';
import { mail, order } from '../helpers/mails.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import type { TestSystem, TestSystemOptions } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();

async function watched(options?: TestSystemOptions): Promise<TestSystem> {
  const system = await createTestSystem(options);
  await system.switchOn();
  await system.ingest();
  return system;
}

describe('a run without an answer of Gmail in all its time', () => {
  test('has failed, and the mail that waits is unknown', async () => {
    const system = await watched();
    system.gmail.deliver(mail('Order'));
    system.gmail.faults.add({ kind: 'hang', method: 'history.list' });
    const report = await system.ingest({ trigger: 'schedule', budgetMs: 3_000 + 1_200 });
    expect(report).toMatchObject({ outcome: 'failed', error: { code: 'gmail_unavailable' } });
    expect((await system.call('status')).json).toMatchObject({
      state: 'backing_off',
      mailboxes: [{ waiting_count: null }],
    });
  });

  test('has failed also when the units ran out while it fetched what was known', async () => {
    const system = await watched({ env: { GMAIL_QUOTA_UNITS_PER_MINUTE: '120' } });
    for (let n = 0; n < 40; n += 1) system.gmail.deliver(order(n));
    await system.ingest({ trigger: 'schedule', budgetMs: 20_000 });
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    await system.pass(60);
    expect(await system.ingest({ trigger: 'schedule', budgetMs: 40_000 })).toMatchObject({
      outcome: 'failed',
      error: { code: 'gmail_unavailable' },
    });
  });
});

test('a run that waits for quota units in all its time is cut, and has not failed', async () => {
  const system = await watched();
  await system.db.query(
    `update mailbox_quota set available_units = 0, refilled_at = now(), paused_until = now() + interval '1 hour'`,
  );
  expect(await system.ingest({ trigger: 'schedule', budgetMs: 3_000 + 1_200 })).toMatchObject({
    outcome: 'out_of_time',
    error: null,
  });
});

describe('with one message in flight', () => {
  test('due retries and new mail take turns, so that new mail is stored', async () => {
    const system = await watched();
    const bad = Array.from({ length: 60 }, (_, n) => system.gmail.deliver(order(n)).id);
    for (const messageId of bad) system.gmail.faults.add({ kind: 'status', status: 400, messageId });
    await system.ingest({ trigger: 'schedule' });
    await system.ingest({ trigger: 'schedule' });
    await system.db.query(
      "update email_ledger set last_attempt_at = now() - interval '1 hour', next_attempt_at = now() - interval '1 minute'",
    );
    const { id } = system.gmail.deliver(mail('New'));
    const app = createIngestContext({
      ...system.context,
      overrides: { ...system.context.overrides, inFlight: new AimdLimit({ start: 1 }) },
    });
    await ingestMailbox(app, { trigger: 'schedule', deadline: Deadline.after(300_000, app.clock) });
    expect(await ledger(system)).toMatchObject({ [id]: 'stored' });
  });
});

describe('a reconciliation whose check of the account fails', () => {
  test('does not hold back known mail', async () => {
    const system = await watched();
    await system.ingest({ trigger: 'schedule' });
    await system.pass(1_000);
    const { id } = system.gmail.deliver(mail('Order'));
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'getProfile' });
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'failed' });
    expect(await storedIds(system)).toEqual([id]);
  });
});

describe('a label that was deleted and made again under the same name', () => {
  test('counts in the run that finds it, and mail that was ignored meanwhile is stored', async () => {
    const system = await createTestSystem({ env: { GMAIL_LABEL_ID: 'Orders' } });
    const first = system.gmail.createLabel('Orders');
    await system.switchOn();
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

describe('a monitor that is stopped during a run', () => {
  test('ends the run at its next look, without registering the watch again', async () => {
    const system: TestSystem = await watched({
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
});

describe('deleted messages after a rate limit', () => {
  test('show that Gmail answers, and end the pause', async () => {
    const system = await watched();
    const ids = Array.from({ length: 20 }, (_, n) => system.gmail.deliver(order(n)).id);
    const limit = system.gmail.faults.add({ kind: 'status', status: 429, method: 'messages.get' });
    await system.ingest({ budgetMs: 6_000 });
    system.gmail.faults.remove(limit);
    for (const id of ids.slice(1)) system.gmail.delete(id);
    system.sleeps.length = 0;
    expect(await system.ingest({ budgetMs: 600_000 })).toMatchObject({ counts: { gone: 19, stored: 1 } });
    expect(system.sleeps.reduce((sum, ms) => sum + ms, 0)).toBeLessThan(20_000);
  });
});

describe('a run of the shortest budget', () => {
  test('evaluates a reconciliation', async () => {
    const system = await watched();
    system.gmail.deliver(mail('Order'));
    for (let n = 0; n < 3; n += 1) {
      await system.pass(1_000);
      expect(await system.ingest({ trigger: 'schedule', budgetMs: 5_000 })).toMatchObject({
        outcome: 'completed',
      });
    }
    expect(
      (await system.rows('select 1 from reconciliations where evaluated_at is not null')).length,
    ).toBeGreaterThan(0);
  });
});

describe('a message that hangs', () => {
  test('does not hold back mail that a push announces meanwhile', async () => {
    const gate = new CallGate();
    const system = await watched({ gmail: { timers: gate.timers } });
    const hanging = system.gmail.deliver(mail('Hangs'));
    gate.hold(system.gmail, 'messages.get');
    const running = system.ingest({ trigger: 'schedule' });
    await gate.arrival();
    system.gmail.faults.clear();
    const { id } = system.gmail.deliver(mail('Order'));
    const data = { emailAddress: system.gmail.emailAddress, historyId: system.gmail.historyId };
    const body = { message: { data: Buffer.from(JSON.stringify(data)).toString('base64'), messageId: '1' } };
    expect(await system.instance().call('gmailPush', { body })).toMatchObject({ status: 204 });
    await vi.waitFor(async () => expect(await storedIds(system)).toEqual([id]), { timeout: 5_000 });
    gate.release();
    await running;
    expect(await storedIds(system)).toEqual([hanging.id, id].sort());
  });
});
