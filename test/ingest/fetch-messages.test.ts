import { describe, expect, test, vi } from 'vitest';
import type { FaultRule } from '../../emulators/gmail/fault-rules.ts';
import { Deadline } from '../../shared/deadline.ts';
import { createIngestContext } from '../../shared/ingest/ingest-context.ts';
import { ingestMailbox } from '../../shared/ingest/ingest-mailbox.ts';
import { AimdLimit } from '../../shared/limits/aimd-limit.ts';
import { CallGate } from '../helpers/call-gate.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import { mail, order } from '../helpers/test-emails.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { deliverOrders, runCycles, useIngestSystems } from './scenario.ts';

/** Of `AimdLimit`. */
const MAX_IN_FLIGHT = 16;

const { createTestSystem, startedSystem, runningSystem } = useIngestSystems();

async function row(system: TestSystem, id: string): Promise<Record<string, unknown>> {
  const rows = await system.rows('select * from email_ledger where gmail_message_id = $1', [id]);
  return rows[0] ?? {};
}

describe('failing messages', () => {
  test.each([
    ['500', { kind: 'status', status: 500 }],
    ['half an answer', { kind: 'truncate' }],
    ['400', { kind: 'status', status: 400 }],
    ['403', { kind: 'status', status: 403, reason: 'forbidden' }],
  ] satisfies [string, FaultRule][])(
    'stores 180 of 200 messages in one run while every tenth fails with %s, and those later',
    async (_case, fault) => {
      const system = await runningSystem();
      const ids = Array.from({ length: 200 }, (_, n) => system.gmail.deliver(mail(`${n}`)).id);
      const bad = ids.filter((_, n) => n % 10 === 3);
      const rules = bad.map((messageId) => system.gmail.faults.add({ ...fault, messageId }));
      const report = await system.ingest({ trigger: 'schedule' });
      expect(report).toMatchObject({ outcome: 'completed', counts: { stored: 180 } });
      expect(await storedIds(system)).toEqual(ids.filter((id) => !bad.includes(id)).sort());
      const { json } = await system.call('status');
      expect(json).toMatchObject({ state: 'fetch_failing', mailboxes: [{ failing: { count: 20 } }] });

      for (const rule of rules) system.gmail.faults.remove(rule);
      for (let n = 0; n < 2; n += 1) {
        await system.pass(60);
        await system.ingest({ trigger: 'schedule' });
      }
      expect(await storedIds(system)).toEqual(ids.toSorted());
    },
  );
});

describe('rate limit', () => {
  test('a rate limit releases the message and counts no failed attempt', async () => {
    const system = await startedSystem();
    const [id = ''] = deliverOrders(system, 1);
    system.gmail.faults.add({ kind: 'status', status: 429, method: 'messages.get' });
    const report = await system.ingest();
    expect(report).toMatchObject({ outcome: 'out_of_time', error: null, counts: { stored: 0, failed: 0 } });
    expect(report.counts.rateLimited).toBeGreaterThan(1);
    expect(await row(system, id)).toMatchObject({
      state: 'pending',
      attempt_count: 0,
      claim_token: null,
      last_attempt_at: null,
    });
    system.gmail.faults.clear();
    await runCycles(system, 1);
    expect(await storedIds(system)).toEqual([id]);
  });

  test('stores every message once a rate limit ends', async () => {
    const system = await startedSystem();
    const ids = deliverOrders(system, 30);
    system.gmail.faults.add({ kind: 'status', status: 429, method: 'messages.get', times: 8 });
    const report = await system.ingest();
    expect(report).toMatchObject({ outcome: 'completed', counts: { stored: 30, failed: 0 } });
    expect(await storedIds(system)).toEqual(ids);
  });

  test('deleted messages end the pause after a rate limit, because they show that Gmail answers', async () => {
    const system = await runningSystem();
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

describe('live messages', () => {
  test('fetches a new order before it finishes a bulk import', async () => {
    const system = await runningSystem({ env: { GMAIL_QUOTA_UNITS_PER_MINUTE: '1200' } });
    for (let n = 0; n < 1_500; n += 1)
      system.gmail.deliver(mail(`Imported ${n}`), { internalDate: new Date(n * 1_000) });
    await system.ingest({ trigger: 'schedule', budgetMs: 20_000 });
    const { id } = system.gmail.deliver(mail('Order'));
    system.gmail.resetCounters();
    await system.pass(60);
    await system.ingest({ trigger: 'schedule', budgetMs: 20_000 });
    const fetched = system.gmail.callLog.calls.flatMap((call) => call.messageId ?? []);
    // Half of each claim is the newest, and calls in flight arrive in any order.
    expect(fetched.indexOf(id)).toBeGreaterThanOrEqual(0);
    expect(fetched.indexOf(id)).toBeLessThan(MAX_IN_FLIGHT);
  });

  test('fetches a live message before an older backlog', async () => {
    const system = await createTestSystem({ env: { GMAIL_QUOTA_UNITS_PER_MINUTE: '1200' } });
    for (let n = 0; n < 150; n += 1)
      system.gmail.deliver(mail(`${n}`), { internalDate: new Date(n * 1_000) });
    await system.ingest({ budgetMs: 50_000 });
    const { id } = system.gmail.deliver(mail('Live'));
    await system.pass(60);
    system.gmail.resetCounters();
    await system.ingest({ budgetMs: 50_000 });
    expect(system.gmail.callLog.calls.find((call) => call.method === 'messages.get')?.messageId).toBe(id);
  });

  test('a hanging message does not block a message that a push announces', async () => {
    const gate = new CallGate();
    const system = await runningSystem({ gmail: { timers: gate.timers } });
    const hanging = system.gmail.deliver(mail('Hangs'));
    gate.hold(system.gmail, 'messages.get');
    const running = system.ingest({ trigger: 'schedule' });
    await gate.arrival();
    system.gmail.faults.clear();
    const { id } = system.gmail.deliver(mail('Order'));
    const data = { emailAddress: system.gmail.emailAddress, historyId: system.gmail.historyId };
    const body = { message: { data: Buffer.from(JSON.stringify(data)).toString('base64'), messageId: '1' } };
    expect(await system.instance().call('gmailPush', { body })).toMatchObject({ status: 204 });
    await vi.waitFor(async () => expect(await storedIds(system)).toEqual([id]), { timeout: 20_000 });
    gate.release();
    await running;
    expect(await storedIds(system)).toEqual([hanging.id, id].sort());
  });

  test('due retries and new messages take turns when one message is in flight', async () => {
    const system = await runningSystem();
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
