import { describe, expect, test } from 'vitest';
import type { FaultRule } from '../../emulators/gmail/fault-rules.ts';
import { incompleteEmails, ledger, storedIds } from '../helpers/stored.ts';
import { mail } from '../helpers/test-emails.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { deliverOrders, runCycles, useIngestSystems } from './scenario.ts';

const { createTestSystem, startedSystem } = useIngestSystems();

async function attempts(system: TestSystem, id: string): Promise<number | undefined> {
  const rows = await system.rows<{ n: number }>(
    'select attempt_count as n from email_ledger where gmail_message_id = $1',
    [id],
  );
  return rows[0]?.n;
}

/** As `runCycles`, with a good message in each run, so that failures are charged to the failing message. */
async function runCyclesWithMail(system: TestSystem, count: number): Promise<void> {
  for (let done = 0; done < count; done += 1) {
    system.gmail.deliver(mail(`Good ${done}`));
    await runCycles(system, 1);
  }
}

async function row(system: TestSystem, id: string): Promise<Record<string, unknown>> {
  const rows = await system.rows('select * from email_ledger where gmail_message_id = $1', [id]);
  return rows[0] ?? {};
}

describe('failed message', () => {
  test('marks a deleted message gone at the first attempt and stores the others', async () => {
    const system = await startedSystem();
    const [id = '', ...others] = deliverOrders(system, 4);
    system.gmail.delete(id);
    expect(await system.ingest()).toMatchObject({
      outcome: 'completed',
      counts: { gone: 1, stored: 3, failed: 0 },
    });
    expect(await ledger(system)).toMatchObject({ [id]: 'gone' });
    expect(await storedIds(system)).toEqual(others);
  });

  test('counts no message that was stored before, and keeps its email', async () => {
    const system = await startedSystem();
    const [id = ''] = deliverOrders(system, 1);
    await system.ingest();
    const before = await system.rows('select id, updated_at from incoming_emails');
    await system.rows(
      "update email_ledger set state = 'pending', next_attempt_at = now(), resolved_at = null",
    );
    expect(await system.ingest()).toMatchObject({ outcome: 'completed', counts: { stored: 0, failed: 0 } });
    expect(await ledger(system)).toEqual({ [id]: 'stored' });
    expect(await system.rows('select id, updated_at from incoming_emails')).toEqual(before);
  });

  test('marks a message dead after eight charged attempts and stores the others', async () => {
    const system = await startedSystem();
    const [id = '', ...others] = deliverOrders(system, 6);
    system.gmail.faults.add({ kind: 'status', status: 400, messageId: id });
    await runCycles(system, 1);
    expect(await storedIds(system)).toEqual(others);
    expect(await attempts(system, id)).toBe(1);
    await runCyclesWithMail(system, 6);
    expect(await ledger(system)).toMatchObject({ [id]: 'pending' });
    await runCyclesWithMail(system, 1);
    expect(await ledger(system)).toMatchObject({ [id]: 'dead' });
    expect(system.log.filter((line) => line['event'] === 'message_dead')).toEqual([
      expect.objectContaining({
        severity: 'ERROR',
        gmail_message_id: id,
        error_code: 'gmail_refused',
        attempt_count: 8,
      }),
    ]);
  });

  test('retries a dead message once per day, keeps it dead while it fails, and stores it when it succeeds', async () => {
    const system = await startedSystem();
    const [id = ''] = deliverOrders(system, 2);
    const fault = system.gmail.faults.add({ kind: 'status', status: 400, messageId: id });
    await runCyclesWithMail(system, 8);
    expect(await ledger(system)).toMatchObject({ [id]: 'dead' });
    const callsOf = () => system.gmail.callLog.calls.filter((call) => call.messageId === id).length;
    const before = callsOf();
    await system.ingest({ trigger: 'schedule' });
    expect(callsOf()).toBe(before);
    await system.pass(86_400);
    await system.ingest({ trigger: 'schedule' });
    expect(callsOf()).toBe(before + 1);
    expect(await row(system, id)).toMatchObject({ state: 'dead', attempt_count: 8 });
    system.gmail.faults.remove(fault);
    await system.pass(86_400);
    await system.ingest({ trigger: 'schedule' });
    expect(await ledger(system)).toMatchObject({ [id]: 'stored' });
  });

  test('a message that used up most of a run without an answer counts as failed, and status shows it', async () => {
    const system = await startedSystem();
    await system.turnOn();
    const [id = '', other] = deliverOrders(system, 2);
    system.gmail.faults.add({ kind: 'hang', messageId: id });
    expect(await system.ingest({ trigger: 'schedule', budgetMs: 5_000 })).toMatchObject({
      outcome: 'out_of_time',
      counts: { stored: 1, failed: 1 },
    });
    expect(await storedIds(system)).toEqual([other]);
    expect(await row(system, id)).toMatchObject({
      state: 'pending',
      attempt_count: 1,
      claim_token: null,
      error_code: 'gmail_unavailable',
    });
    expect((await system.call('status')).json).toMatchObject({
      state: 'fetch_failing',
      mailboxes: [{ failing: { count: 1, error_code: 'gmail_unavailable' } }],
    });
  });

  test('charges no attempt when the run fetched no other message', async () => {
    const system = await startedSystem();
    const [id = ''] = deliverOrders(system, 1);
    system.gmail.faults.add({ kind: 'status', status: 400, messageId: id });
    await runCycles(system, 12);
    expect(await row(system, id)).toMatchObject({
      state: 'pending',
      attempt_count: 0,
      error_code: 'gmail_refused',
    });
    const rows = await system.rows<{ s: number }>(
      'select extract(epoch from next_attempt_at - last_attempt_at)::integer as s from email_ledger',
    );
    expect(rows[0]?.s).toBeLessThanOrEqual(300);
  });

  test('stores a dead message that an operator requeues', async () => {
    const system = await startedSystem();
    const [id = ''] = deliverOrders(system, 1);
    const fault = system.gmail.faults.add({ kind: 'status', status: 400, messageId: id });
    await runCyclesWithMail(system, 8);
    expect(await ledger(system)).toMatchObject({ [id]: 'dead' });
    system.gmail.faults.remove(fault);
    const answer = await system.call('pollNow', { query: { retry: 'dead' } });
    expect(answer.json).toMatchObject({ retried: 1, new_emails: 1 });
  });

  test('stores a message in the next run after one failedPrecondition, before its next attempt is due', async () => {
    const system = await startedSystem();
    const [id = ''] = deliverOrders(system, 1);
    await system.turnOn();
    system.gmail.faults.add({ kind: 'status', status: 400, messageId: id, times: 1 });
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({
      outcome: 'completed',
      counts: { failed: 1 },
    });
    // Each run first tries the message that has waited longest.
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ counts: { stored: 1 } });
  });

  test('triples the wait after each charged attempt, up to four hours', async () => {
    const system = await startedSystem();
    const [id = ''] = deliverOrders(system, 1);
    system.gmail.faults.add({ kind: 'status', status: 400, messageId: id });
    const waits: number[] = [];
    for (let n = 0; n < 7; n += 1) {
      await runCyclesWithMail(system, 1);
      const rows = await system.rows<{ s: number }>(
        `select round(extract(epoch from next_attempt_at - last_attempt_at))::integer as s
         from email_ledger where gmail_message_id = $1`,
        [id],
      );
      waits.push(rows[0]?.s ?? 0);
    }
    // 7/8 of 20 s, tripled each time, at most 4 h.
    expect(waits).toEqual([18, 53, 158, 473, 1418, 4253, 12600].map((s) => expect.closeTo(s, -1)));
  });

  test('retries all waiting messages once the one that waited longest is stored', async () => {
    const system = await startedSystem();
    await system.turnOn();
    const ids = deliverOrders(system, 12);
    const fault = system.gmail.faults.add({ kind: 'status', status: 500, method: 'messages.get' });
    await system.ingest({ trigger: 'schedule' });
    expect(await storedIds(system)).toEqual([]);
    system.gmail.faults.remove(fault);
    await system.ingest({ trigger: 'schedule' });
    expect(await storedIds(system)).toEqual(ids);
  });
});

describe('transient fault', () => {
  const faults: [string, FaultRule][] = [
    ['503', { kind: 'status', status: 503 }],
    ['500', { kind: 'status', status: 500 }],
    ['429 with Retry-After', { kind: 'status', status: 429, retryAfterSeconds: 3 }],
    ['403 rateLimitExceeded', { kind: 'status', status: 403, reason: 'rateLimitExceeded' }],
    ['403 userRateLimitExceeded', { kind: 'status', status: 403, reason: 'userRateLimitExceeded' }],
    ['a reset', { kind: 'reset' }],
    ['half an answer', { kind: 'truncate' }],
    ['HTML for JSON', { kind: 'notJson' }],
  ];
  test.each(faults)(
    'loses no message when each kind of call temporarily fails with %s',
    async (_case, fault) => {
      const system = await createTestSystem();
      for (const method of ['getProfile', 'history.list', 'messages.list', 'token']) {
        system.gmail.faults.add({ ...fault, method, times: 1 });
      }
      system.gmail.faults.add({ ...fault, method: 'messages.get', times: 3, skip: 1 });
      const ids = deliverOrders(system, 6);
      await system.ingest();
      await runCycles(system, 2);
      expect(await storedIds(system)).toEqual(ids);
      expect(await incompleteEmails(system)).toEqual([]);
    },
  );
});
