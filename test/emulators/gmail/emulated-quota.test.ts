import { describe, expect, it } from 'vitest';
import { mail, mailboxUnderTest } from './mailbox-under-test.ts';

describe('quota units', () => {
  it('are charged by method at the present prices', async () => {
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

  it('are refused beyond the budget of the last sixty seconds, not of a calendar minute', async () => {
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

  it('come back while they are spent, from empty to full in a minute, where the budget refills', async () => {
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

  it('are refused beyond the budget of a minute of the clock, where calendar minutes count', async () => {
    // The clock starts at the beginning of a minute.
    const { call, time } = await mailboxUnderTest({ quotaUnitsPerMinute: 10, quotaKind: 'calendar' });
    const list = async () => (await call('messages')).status;
    time.advance(50_000);
    expect([await list(), await list(), await list()]).toEqual([200, 200, 403]);
    time.advance(9_999);
    expect(await list()).toBe(403);
    time.advance(1);
    expect([await list(), await list(), await list()]).toEqual([200, 200, 403]);
  });

  it('are refused in each of Gmail’s ways', async () => {
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

describe('calls in flight', () => {
  it('are refused with 429 beyond the limit, and free their place when they end', async () => {
    const { gmail, call, time } = await mailboxUnderTest({ maxConcurrent: 2, latencyMs: 1000 });
    const answers = ['profile', 'profile', 'profile'].map((path) => call(path).then(({ status }) => status));
    // The refused call answers at once; the others wait for the clock.
    expect(await Promise.race(answers)).toBe(429);
    time.advance(1000);
    expect((await Promise.all(answers)).sort()).toEqual([200, 200, 429]);
    gmail.latencyMs = 0;
    expect((await call('profile')).status).toBe(200);
    expect(gmail.quota).toMatchObject({ peakInFlight: 2, inFlight: 0, refusedForConcurrency: 1 });
  });
});
