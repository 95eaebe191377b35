/** Which pushes are acknowledged, and which ones Pub/Sub has to deliver again. */
import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { TestSystem, TestSystemOptions } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const MAIL = Buffer.from('From: buyer@example.com\r\nSubject: Order\r\n\r\nOne\r\n');
const NO_CREDENTIALS = { GMAIL_CLIENT_ID: '', GMAIL_CLIENT_SECRET: '', GMAIL_REFRESH_TOKEN: '' };
const DAY = { GMAIL_POLL_INTERVAL_SECONDS: '86400' };

const createTestSystem = useTestSystems();

let system: TestSystem;
beforeEach(async () => {
  system = await knownSystem();
});

/** A system whose first run has identified the mailbox. */
async function knownSystem(options: TestSystemOptions = {}): Promise<TestSystem> {
  const known = await createTestSystem(options);
  await known.call('pollNow');
  known.gmail.resetCounters();
  return known;
}

function push(historyId: string, emailAddress = 'orders@example.com'): object {
  const data = Buffer.from(JSON.stringify({ emailAddress, historyId })).toString('base64');
  return { message: { data, messageId: '1' }, subscription: 'projects/demo/subscriptions/gmail' };
}

async function hint(of: TestSystem = system): Promise<string | null | undefined> {
  const rows = await of.rows<{ hint_history_id: string | null }>('select hint_history_id from mailboxes');
  return rows[0]?.hint_history_id;
}

async function storedCount(of: TestSystem = system): Promise<number> {
  return (await of.rows('select 1 from incoming_emails')).length;
}

/** Delivers an email and the push that announces it. */
async function deliverAndPush(of: TestSystem = system) {
  const { historyId } = of.gmail.deliver(MAIL);
  return { historyId, answer: await of.call('gmailPush', { body: push(historyId) }) };
}

function unavailable(of: TestSystem = system): void {
  of.gmail.faults.add({ kind: 'status', status: 503 });
}

async function lastOutcome(of: TestSystem = system): Promise<string | null | undefined> {
  const rows = await of.rows<{ outcome: string | null }>(
    "select outcome from ingest_runs where trigger = 'push' order by id desc limit 1",
  );
  return rows[0]?.outcome;
}

describe('a push', () => {
  it('a push is recorded, its mail is fetched, and the response has no body', async () => {
    await system.turnOn();
    const { answer, historyId } = await deliverAndPush();
    expect([answer.status, answer.body]).toEqual([204, null]);
    expect(await hint()).toBe(historyId);
    expect(await storedCount()).toBe(1);
    expect((await system.call('status')).json.mailboxes[0].last_push_at).not.toBeNull();
  });

  it('a push that is older than the stored hint changes nothing', async () => {
    await system.call('gmailPush', { body: push('18446744073709551615') });
    await system.call('gmailPush', { body: push('7') });
    expect(await hint()).toBe('18446744073709551615');
  });

  it('a push finds its mailbox whatever the case of the address', async () => {
    await system.call('gmailPush', { body: push('7', 'Orders@Example.COM') });
    expect(await hint()).toBe('7');
  });
});

describe('acknowledgement', () => {
  it('acknowledges a push when a message of its run failed, because the ledger retries it', async () => {
    await system.turnOn();
    system.gmail.faults.add({ kind: 'status', status: 500, method: 'messages.get' });
    const { answer, historyId } = await deliverAndPush();
    expect([answer.status, await hint(), await storedCount()]).toEqual([204, historyId, 0]);
    expect(await lastOutcome()).toBe('completed');
  });

  it('acknowledges a push when its run was cut', async () => {
    const brief = system.instance({ RUN_BUDGET_SECONDS: '5' });
    await system.turnOn();
    for (let n = 0; n < 5; n += 1) system.gmail.deliver(MAIL);
    system.gmail.faults.add({ kind: 'delay', delayMs: 700 });
    const { historyId } = system.gmail.deliver(MAIL);
    const answer = await brief.call('gmailPush', { body: push(historyId) });
    expect([answer.status, await hint(), await lastOutcome()]).toEqual([204, historyId, 'out_of_time']);
  });

  it('acknowledges a push when another instance holds the lease', async () => {
    await system.turnOn();
    await system.db.query(
      `update mailboxes
       set lease_token = $1::uuid, lease_holder = 'another', lease_expires_at = now() + interval '1 minute'`,
      [randomUUID()],
    );
    const { answer, historyId } = await deliverAndPush();
    expect([answer.status, await hint(), await storedCount()]).toEqual([204, historyId, 0]);
  });

  it('acknowledges a push when its run failed but a newer hint is stored', async () => {
    const raced = await knownSystem({
      onSleep: async () => {
        await raced.db.query('update mailboxes set hint_history_id = 18446744073709551615');
      },
    });
    await raced.turnOn();
    unavailable(raced);
    const { answer } = await deliverAndPush(raced);
    expect([answer.status, await lastOutcome(raced)]).toEqual([204, 'failed']);
    expect(await hint(raced)).toBe('18446744073709551615');
  });

  it('acknowledges a push while the monitor is stopped, and fetches nothing', async () => {
    const { answer, historyId } = await deliverAndPush();
    expect([answer.status, await hint()]).toEqual([204, historyId]);
    expect([await storedCount(), system.gmail.callLog.calls.length]).toEqual([0, 0]);
  });

  it('acknowledges a push when an operator has to act first', async () => {
    await system.turnOn();
    system.gmail.revokeRefreshToken();
    // The access token of the first instance is still valid.
    const fresh = system.instance();
    const { historyId } = system.gmail.deliver(MAIL);
    const answer = await fresh.call('gmailPush', { body: push(historyId) });
    expect([answer.status, await hint(), await lastOutcome()]).toEqual([204, historyId, 'failed']);
    expect((await system.call('status')).json.state).toBe('reauth_required');
  });

  it('acknowledges a push while there are no credentials', async () => {
    await system.turnOn();
    const { call } = system.instance(NO_CREDENTIALS);
    expect((await call('gmailPush', { body: push('7') })).status).toBe(204);
    expect(await hint()).toBe('7');
  });

  it('acknowledges a push that a listing has already covered, without calling Gmail', async () => {
    await system.turnOn();
    const { historyId } = system.gmail.deliver(MAIL);
    await system.call('poll');
    system.gmail.resetCounters();
    await system.db.query("update mailboxes set hint_at = now() - interval '1 minute'");
    expect((await system.call('gmailPush', { body: push(historyId) })).status).toBe(204);
    expect(system.gmail.callLog.calls).toEqual([]);
  });
});

describe('redelivery', () => {
  it('answers 503 when the hint of a push could not be stored', async () => {
    await system.db.query('alter table mailboxes drop column hint_at cascade');
    const rejected = await system.call('gmailPush', { body: push('7') });
    expect(rejected).toMatchObject({ status: 503, json: { code: 'schema_outdated' } });
  });

  it('answers 503 when the run failed temporarily and the hint is the newest', async () => {
    await system.turnOn();
    unavailable();
    const { answer, historyId } = await deliverAndPush();
    expect(answer).toMatchObject({ status: 503, json: { code: 'gmail_unavailable' } });
    expect([await hint(), await storedCount()]).toEqual([historyId, 0]);
    // The stored hint makes the next poll fetch the message.
    system.gmail.faults.clear();
    await system.pass(5);
    await system.call('poll');
    expect(await storedCount()).toBe(1);
  });

  it('answers 503 when the mailbox backs off and its last run began less than 10 s ago', async () => {
    await system.turnOn();
    unavailable();
    await deliverAndPush();
    system.gmail.faults.clear();
    await system.db.query("update mailboxes set next_poll_at = now() + interval '5 minutes'");
    system.gmail.resetCounters();
    const { answer, historyId } = await deliverAndPush();
    expect(answer).toMatchObject({ status: 503, json: { code: 'backing_off' } });
    expect([await hint(), system.gmail.callLog.calls.length]).toEqual([historyId, 0]);
  });
});

describe('a push during a backoff', () => {
  it('a push during a backoff starts a run when the last one began over 10 s ago, and ends the backoff', async () => {
    await system.turnOn();
    unavailable();
    const { historyId } = await deliverAndPush();
    system.gmail.faults.clear();
    await system.db.query(
      "update mailboxes set failure_count = 9, next_poll_at = now() + interval '5 minutes'",
    );
    await system.db.query("update mailboxes set last_run_at = now() - interval '11 seconds'");
    // Pub/Sub delivers the same push again.
    expect((await system.call('gmailPush', { body: push(historyId) })).status).toBe(204);
    expect(await storedCount()).toBe(1);
    expect((await system.call('status')).json).toMatchObject({ state: 'watching' });
  });

  it('a push two minutes after an outage starts a run at once, without waiting for the poll interval', async () => {
    const daily = await knownSystem({ env: DAY });
    await daily.turnOn();
    await daily.call('poll');
    unavailable(daily);
    expect((await deliverAndPush(daily)).answer.status).toBe(503);
    daily.gmail.faults.clear();
    await daily.pass(120);
    expect((await deliverAndPush(daily)).answer.status).toBe(204);
    expect(await storedCount(daily)).toBe(2);
  });

  it('without a push, the next tick polls when the backoff of at most five minutes is over', async () => {
    const daily = await knownSystem({ env: DAY });
    await daily.turnOn();
    await daily.call('poll');
    for (let n = 0; n < 12; n += 1) {
      unavailable(daily);
      await deliverAndPush(daily);
      await daily.pass(11);
    }
    daily.gmail.faults.clear();
    const [mailbox] = await daily.rows<{ failure_count: number; wait_seconds: number }>(
      'select failure_count, extract(epoch from next_poll_at - now())::integer as wait_seconds from mailboxes',
    );
    expect(mailbox?.failure_count).toBe(12);
    expect(mailbox?.wait_seconds).toBeLessThanOrEqual(300);
    expect((await daily.call('poll')).json.outcome).toBe('not_due');
    await daily.pass(300);
    expect((await daily.call('poll')).json).toMatchObject({ outcome: 'completed', new_emails: 12 });
  });
});

describe('an invalid push', () => {
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['garbage', '{bad'],
    ['an address with NUL', push('7', 'orders\0@example.com')],
    ['another mailbox', push('7', 'other@example.com')],
  ])('acknowledges, drops and logs a push that no redelivery could fix: %s', async (_, body) => {
    expect((await system.call('gmailPush', { body })).status).toBe(204);
    expect(await hint()).toBeNull();
    const [line, ...rest] = system.log.filter((one) => one['event'] === 'push_ignored');
    expect(line).toMatchObject({ severity: 'WARNING' });
    expect(rest).toEqual([]);
    expect(JSON.stringify(line)).not.toContain('other@');
  });
});
