import { describe, expect, it } from 'vitest';
import { mail, mailboxUnderTest } from './mailbox-under-test.ts';

describe('quota units', () => {
  it('charges each method its current units', async () => {
    const { gmail, call } = await mailboxUnderTest();
    const { id } = gmail.deliver(mail('order'));
    const history = `history?startHistoryId=${gmail.historyId}`;
    for (const path of ['profile', 'labels', history, 'messages', `messages/${id}`]) await call(path);
    expect(gmail.quota.spentUnits).toBe(1 + 1 + 2 + 5 + 20);
    expect(gmail.quota.spentUnitsByMethod).toMatchObject({ 'messages.get': 20, 'history.list': 2 });
    expect(gmail.callLog.calls.at(-1)).toMatchObject({
      method: 'messages.get',
      messageId: id,
      units: 20,
      status: 200,
    });
  });

  it('rejects calls above the budget of the last sixty seconds, not of a calendar minute', async () => {
    const { gmail, call, time } = await mailboxUnderTest({ quotaUnitsPerMinute: 10 });
    const list = async () => (await call('messages')).status;
    expect(await list()).toBe(200);
    time.advance(30_000);
    expect([await list(), await list()]).toEqual([200, 403]);
    time.advance(29_999);
    expect(await list()).toBe(403);
    time.advance(1);
    expect([await list(), await list()]).toEqual([200, 403]);
    expect(gmail.quota.refusedForUnits).toBe(3);
    expect(gmail.quota.spentUnits).toBe(15);
  });

  it('refills a token bucket continuously, from empty to full in one minute', async () => {
    const { gmail, call, time } = await mailboxUnderTest({ quotaUnitsPerMinute: 10, quotaKind: 'refill' });
    const list = async () => (await call('messages')).status;
    expect([await list(), await list(), await list()]).toEqual([200, 200, 403]);
    time.advance(29_999);
    expect(await list()).toBe(403);
    time.advance(1);
    expect([await list(), await list()]).toEqual([200, 403]);
    time.advance(600_000);
    expect([await list(), await list(), await list()]).toEqual([200, 200, 403]);
    expect(gmail.quota.spentUnits).toBe(25);
  });

  it('rejects calls above the budget of the calendar minute if calendar minutes count', async () => {
    // The test clock starts at the beginning of a minute.
    const { call, time } = await mailboxUnderTest({ quotaUnitsPerMinute: 10, quotaKind: 'calendar' });
    const list = async () => (await call('messages')).status;
    time.advance(50_000);
    expect([await list(), await list(), await list()]).toEqual([200, 200, 403]);
    time.advance(9_999);
    expect(await list()).toBe(403);
    time.advance(1);
    expect([await list(), await list(), await list()]).toEqual([200, 200, 403]);
  });

  it('rejects calls with each of Gmail’s quota errors', async () => {
    const { gmail, call } = await mailboxUnderTest({ quotaUnitsPerMinute: 1 });
    const reason = async () => {
      const response = await call('messages');
      const { error } = (await response.json()) as {
        error: { errors: { reason: string }[]; status: string };
      };
      return `${response.status} ${error.errors[0]?.reason} ${error.status}`;
    };
    expect(await reason()).toBe('403 rateLimitExceeded RESOURCE_EXHAUSTED');
    gmail.quota.refusal = '403 userRateLimitExceeded';
    expect(await reason()).toBe('403 userRateLimitExceeded RESOURCE_EXHAUSTED');
    gmail.quota.refusal = '429 rateLimitExceeded';
    expect(await reason()).toBe('429 rateLimitExceeded RESOURCE_EXHAUSTED');
  });
});

describe('concurrency limit', () => {
  it('rejects calls above the limit with 429, and frees a slot when a call ends', async () => {
    const { gmail, call, time } = await mailboxUnderTest({ maxConcurrent: 2, latencyMs: 1000 });
    const answers = ['profile', 'profile', 'profile'].map((path) => call(path).then(({ status }) => status));
    // The rejected call returns at once; the others wait for the clock.
    expect(await Promise.race(answers)).toBe(429);
    time.advance(1000);
    expect((await Promise.all(answers)).sort()).toEqual([200, 200, 429]);
    gmail.latencyMs = 0;
    expect((await call('profile')).status).toBe(200);
    expect(gmail.quota).toMatchObject({ peakInFlight: 2, inFlight: 0, refusedForConcurrency: 1 });
  });
});
