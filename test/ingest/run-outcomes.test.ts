/** What a run reports when Gmail, the quota or an operator ends it: never success when work was left undone. */
import { describe, expect, test } from 'vitest';
import { CallGate } from '../helpers/call-gate.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import { mail, order } from '../helpers/test-emails.ts';
import { useIngestSystems } from './scenario.ts';

const { createTestSystem, startedSystem, runningSystem } = useIngestSystems();

describe('run without an answer from Gmail', () => {
  test('a run fails when Gmail does not answer in its time, and the number of waiting messages is unknown', async () => {
    const system = await runningSystem();
    system.gmail.deliver(mail('Order'));
    system.gmail.faults.add({ kind: 'hang', method: 'history.list' });
    const report = await system.ingest({ trigger: 'schedule', budgetMs: 1_600 });
    expect(report).toMatchObject({ outcome: 'failed', error: { code: 'gmail_unavailable' } });
    expect((await system.call('status')).json).toMatchObject({
      state: 'backing_off',
      mailboxes: [{ waiting_count: null }],
    });
  });

  test('a first run fails with gmail_unavailable when Gmail does not say in its time whose mailbox it is', async () => {
    const system = await createTestSystem();
    system.gmail.faults.add({ kind: 'hang', method: 'getProfile' });
    const report = await system.ingest({ budgetMs: 1_600 });
    expect(report).toMatchObject({ outcome: 'failed', error: { code: 'gmail_unavailable' } });
    expect((await system.call('status')).json.last_error).toContain('Gmail did not answer');
  });

  test('a run fails with gmail_unavailable when Gmail does not list its labels in time', async () => {
    const system = await runningSystem();
    system.gmail.faults.add({ kind: 'hang', method: 'labels.list' });
    const labelled = system.instance({ GMAIL_LABEL_ID: 'Orders' });
    const report = await labelled.ingest({ trigger: 'schedule', budgetMs: 1_600 });
    expect(report).toMatchObject({ outcome: 'failed', error: { code: 'gmail_unavailable' } });
  });

  test('a run fails when the history is unavailable, even if its units run out while it fetches known messages', async () => {
    const system = await runningSystem({ env: { GMAIL_QUOTA_UNITS_PER_MINUTE: '120' } });
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

test('a run that waits for quota units until its deadline ends with out_of_time and without an error', async () => {
  const system = await runningSystem();
  await system.db.query(
    `update mailbox_quota set available_units = 0, refilled_at = now(), paused_until = now() + interval '1 hour'`,
  );
  expect(await system.ingest({ trigger: 'schedule', budgetMs: 1_600 })).toMatchObject({
    outcome: 'out_of_time',
    error: null,
  });
});

test.each(['schedule', 'push'] as const)(
  'a run (%s) that could not ask Gmail for lack of units leaves the backoff, the error and the last success as they were',
  async (trigger) => {
    const system = await runningSystem();
    system.gmail.deliver(mail('Order'));
    system.gmail.faults.add({
      kind: 'status',
      status: 429,
      reason: 'rateLimitExceeded',
      method: 'history.list',
    });
    await system.ingest({ trigger: 'manual', budgetMs: 1_600 });
    // A push with a newer hint, or the end of the backoff.
    await system.db.query(
      `update mailboxes set next_poll_at = now() - interval '1 second', last_run_at = now() - interval '20 seconds'`,
    );
    await system.db.query(`update mailbox_quota set paused_until = now() + interval '1 hour'`);
    const columns = 'failure_count, next_poll_at, last_success_at, last_error_code, last_error';
    const before = await system.rows(`select ${columns} from mailboxes`);
    expect(before).toMatchObject([{ failure_count: 1, last_error_code: 'gmail_rate_limited' }]);
    expect(await system.ingest({ trigger, budgetMs: 1_600 })).toMatchObject({
      outcome: 'out_of_time',
    });
    expect(await system.rows(`select ${columns} from mailboxes`)).toEqual(before);
    expect((await system.call('status')).json).toMatchObject({
      state: 'backing_off',
      last_error: expect.stringContaining('429'),
      mailboxes: [{ waiting_count: null }],
    });
  },
);

test('after a run that could not ask Gmail for lack of units, the state is catching_up and what waits is unknown since the last success', async () => {
  const system = await runningSystem();
  // The first reconciliation.
  await system.ingest();
  const before = (await system.call('status')).json;
  expect(before).toMatchObject({ state: 'watching', mailboxes: [{ unknown_since: null }] });
  const [{ last_success_at: lastSuccessAt }] = before.mailboxes;
  system.gmail.deliver(mail('Order'));
  await system.db.query(
    `update mailbox_quota set available_units = 0, refilled_at = now(), paused_until = now() + interval '1 hour'`,
  );
  await system.ingest({ trigger: 'schedule', budgetMs: 1_600 });
  expect((await system.call('status')).json).toMatchObject({
    state: 'catching_up',
    last_error: null,
    mailboxes: [{ last_success_at: lastSuccessAt, waiting_count: null, unknown_since: lastSuccessAt }],
  });
  await system.pass(3_600);
  await system.ingest({ trigger: 'schedule' });
  expect((await system.call('status')).json).toMatchObject({ state: 'watching', emails_processed_total: 1 });
});

test('the next poll continues a run of an operator that could not ask Gmail for lack of units, also with a long interval', async () => {
  const system = await runningSystem({ env: { GMAIL_POLL_INTERVAL_SECONDS: '3600' } });
  await system.ingest({ trigger: 'schedule' });
  await system.db.query(
    `update mailbox_quota set available_units = 0, refilled_at = now(), paused_until = now() + interval '1 hour'`,
  );
  expect((await system.ingest({ trigger: 'schedule' })).outcome).toBe('not_due');
  await system.ingest({ trigger: 'manual', budgetMs: 1_600 });
  expect((await system.ingest({ trigger: 'schedule', budgetMs: 1_600 })).outcome).toBe('out_of_time');
});

test('a run that has no units to resolve its label ends with out_of_time and does not back off', async () => {
  const system = await runningSystem();
  system.gmail.createLabel('Orders');
  await system.db.query(
    `update mailbox_quota set available_units = 0, refilled_at = now(), paused_until = now() + interval '1 hour'`,
  );
  const labelled = system.instance({ GMAIL_LABEL_ID: 'Orders' });
  expect(await labelled.ingest({ trigger: 'schedule', budgetMs: 1_600 })).toMatchObject({
    outcome: 'out_of_time',
    error: null,
  });
  expect(await system.rows('select failure_count from mailboxes')).toEqual([{ failure_count: 0 }]);
});

test('a message whose call cannot be repeated for lack of units waits for the next run and is charged nothing', async () => {
  const system = await runningSystem({ env: { GMAIL_QUOTA_UNITS_PER_MINUTE: '60' } });
  // The first reconciliation.
  await system.ingest();
  system.gmail.deliver(mail('Order'));
  // Units for the history and for one call of the message.
  await system.db.query('update mailbox_quota set available_units = 22, refilled_at = now()');
  system.gmail.faults.add({ kind: 'status', status: 500, method: 'messages.get' });
  expect(await system.ingest({ trigger: 'schedule', budgetMs: 6_600 })).toMatchObject({
    outcome: 'out_of_time',
    error: null,
    counts: { failed: 0 },
  });
  expect(system.gmail.callLog.countByMethod['messages.get']).toBe(1);
  expect(await system.rows('select attempt_count, claim_token, error_code from email_ledger')).toEqual([
    { attempt_count: 0, claim_token: null, error_code: null },
  ]);
});

describe('run budget', () => {
  test('a run that ends with a backlog leaves no open claim, and the next run continues', async () => {
    // Sixty messages per minute, so that the quota takes all the time.
    const system = await createTestSystem({ env: { GMAIL_QUOTA_UNITS_PER_MINUTE: '1200' } });
    const ids = Array.from({ length: 200 }, (_, n) => system.gmail.deliver(mail(`${n}`)).id).sort();
    const outcomes: string[] = [];
    while (outcomes.at(-1) !== 'completed' && outcomes.length < 10) {
      outcomes.push((await system.ingest({ budgetMs: 50_000 })).outcome);
      expect(await system.rows('select 1 from email_ledger where claim_token is not null')).toEqual([]);
      await system.pass(20);
    }
    expect(outcomes.slice(0, 2)).toEqual(['out_of_time', 'out_of_time']);
    expect(outcomes.at(-1)).toBe('completed');
    expect(await storedIds(system)).toEqual(ids);
    expect(await system.rows('select 1 from email_ledger where attempt_count > 0')).toEqual([]);
  });

  test('a run without time left does nothing', async () => {
    const system = await startedSystem();
    const { id } = system.gmail.deliver(mail('Order'));
    expect(await system.ingest({ budgetMs: 0 })).toMatchObject({ outcome: 'out_of_time', error: null });
    expect(await ledger(system)).toEqual({});
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
  });

  test('a run releases the messages in flight when its time ends', async () => {
    const gate = new CallGate();
    const system = await startedSystem({ gmail: { timers: gate.timers } });
    const { id } = system.gmail.deliver(mail('Order'));
    gate.hold(system.gmail, 'messages.get');
    expect(await system.ingest({ budgetMs: 2_500 })).toMatchObject({ outcome: 'out_of_time' });
    expect(await system.rows('select attempt_count, claim_token, last_attempt_at from email_ledger')).toEqual(
      [{ attempt_count: 0, claim_token: null, last_attempt_at: null }],
    );
    gate.release();
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
  });
});

describe('shortest run budget', () => {
  test('a run with the shortest budget stores an email when each call of Gmail takes 0.7 seconds', async () => {
    const system = await createTestSystem({ skipsDelays: true, gmail: { latencyMs: 700 }, clockRate: 0.1 });
    const { id } = system.gmail.deliver(mail('Order'));
    await system.turnOn();
    for (let n = 0; n < 3; n += 1) {
      await system.ingest({ trigger: 'schedule', budgetMs: 5_000 });
      await system.pass(60);
    }
    expect(await storedIds(system)).toEqual([id]);
  });

  test('a run with the shortest budget evaluates a reconciliation', async () => {
    const system = await runningSystem({ clockRate: 0.1 });
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
