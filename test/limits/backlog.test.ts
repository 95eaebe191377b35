import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fetchBacklog, shareOfQuota } from './backlog.ts';
import { startVirtualTime, type VirtualTime } from './virtual-time.ts';

let time: VirtualTime;
beforeAll(async () => {
  time = await startVirtualTime();
});
afterAll(async () => await time.close());

describe('where Gmail refills its quota continuously', () => {
  test.each([
    { sendMs: 10, answerMs: 50, connectMs: 10 },
    { sendMs: 10, answerMs: 50, connectMs: 950 },
    { sendMs: 100, answerMs: 250, connectMs: 950 },
  ])(
    '600 messages take at most 63 s and none is limited ($answerMs ms per answer, the first calls are counted after $connectMs ms)',
    async (ms) => {
      const result = await fetchBacklog(time, { kind: 'refill', messageCount: 600, ...ms });
      expect(result.limitedCount).toBe(0);
      expect(result.elapsedSeconds).toBeLessThanOrEqual(63);
    },
  );

  test('two instances on one mailbox use at least 95 % of the quota and neither is limited', async () => {
    const result = await fetchBacklog(time, { kind: 'refill', messageCount: 1_100, instanceCount: 2 });
    expect(result.limitedCount).toBe(0);
    expect(shareOfQuota(1_100, result)).toBeGreaterThan(0.95);
  });
});

describe.each(['window', 'calendar'] as const)('where Gmail counts whole minutes (%s)', (kind) => {
  test.each([
    { sendMs: 10, answerMs: 50 },
    { sendMs: 50, answerMs: 250 },
  ])(
    '600 messages take at most 90 s and at most 20 calls are limited ($answerMs ms per answer)',
    async (ms) => {
      const result = await fetchBacklog(time, { kind, messageCount: 600, ...ms });
      expect(result.limitedCount).toBeLessThanOrEqual(20);
      expect(result.elapsedSeconds).toBeLessThanOrEqual(90);
    },
  );
});
