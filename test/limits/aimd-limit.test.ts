import { expect, it } from 'vitest';
import { AimdLimit } from '../../shared/limits/aimd-limit.ts';

function succeed(limit: AimdLimit, count: number): void {
  for (let i = 0; i < count; i += 1) limit.onSuccess();
}

it('the limit starts at five calls in flight', () => {
  expect(new AimdLimit().current).toBe(5);
});

it('the limit rises by one after as many successes as calls in flight', () => {
  const limit = new AimdLimit();
  succeed(limit, 4);
  expect(limit.current).toBe(5);
  succeed(limit, 1);
  expect(limit.current).toBe(6);
  succeed(limit, 5);
  expect(limit.current).toBe(6);
  succeed(limit, 1);
  expect(limit.current).toBe(7);
});

it('the limit never rises above sixteen', () => {
  const limit = new AimdLimit();
  succeed(limit, 10_000);
  expect(limit.current).toBe(16);
});

it('the limit stays constant when start and max are equal', () => {
  const limit = new AimdLimit({ start: 3, max: 3 });
  succeed(limit, 100);
  expect(limit.current).toBe(3);
});

it('a rate limit halves the limit, but never below one', () => {
  const limit = new AimdLimit();
  const seen = [1, 2, 3, 4].map(() => {
    limit.onRateLimited();
    return limit.current;
  });
  expect(seen).toEqual([2, 1, 1, 1]);
});

it('a rate limit resets the count of successes', () => {
  const limit = new AimdLimit();
  succeed(limit, 4);
  limit.onRateLimited();
  succeed(limit, 1);
  expect(limit.current).toBe(2);
  succeed(limit, 1);
  expect(limit.current).toBe(3);
});

it('several rate limits of calls that started before a decrease halve the limit once', () => {
  const limit = new AimdLimit();
  const { epoch } = limit;
  for (let call = 0; call < 5; call += 1) limit.onRateLimited(epoch);
  expect(limit.current).toBe(2);
  limit.onRateLimited(limit.epoch);
  expect(limit.current).toBe(1);
});
