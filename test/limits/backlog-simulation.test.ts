import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { shareOfQuota, simulateBacklog } from './backlog-simulation.ts';
import { startVirtualTime, type VirtualTime } from './virtual-time.ts';

let time: VirtualTime;
beforeAll(async () => {
  time = await startVirtualTime();
});
afterAll(async () => await time.close());

describe('continuous refill', () => {
  test.each([
    { sendMs: 10, answerMs: 50, connectMs: 10 },
    { sendMs: 10, answerMs: 50, connectMs: 950 },
    { sendMs: 100, answerMs: 250, connectMs: 950 },
  ])(
    'fetches 600 messages in at most 63 s without a rate limit ($answerMs ms per answer, first calls counted after $connectMs ms)',
    async (ms) => {
      const result = await simulateBacklog(time, { kind: 'refill', messageCount: 600, ...ms });
      expect(result.limitedCount).toBe(0);
      expect(result.elapsedSeconds).toBeLessThanOrEqual(63);
    },
  );

  test('two instances on one mailbox use at least 95 % of the quota without a rate limit', async () => {
    const result = await simulateBacklog(time, { kind: 'refill', messageCount: 1_100, instanceCount: 2 });
    expect(result.limitedCount).toBe(0);
    expect(shareOfQuota(1_100, result)).toBeGreaterThan(0.95);
  });
});

describe.each(['window', 'calendar'] as const)('whole minutes (%s)', (kind) => {
  test.each([
    { sendMs: 10, answerMs: 50 },
    { sendMs: 50, answerMs: 250 },
  ])(
    'fetches 600 messages in at most 90 s with at most 20 rate-limited calls ($answerMs ms per answer)',
    async (ms) => {
      const result = await simulateBacklog(time, { kind, messageCount: 600, ...ms });
      expect(result.limitedCount).toBeLessThanOrEqual(20);
      expect(result.elapsedSeconds).toBeLessThanOrEqual(90);
    },
  );
});
