import { expect, it } from 'vitest';
import { AimdLimit } from '../../shared/limits/aimd-limit.ts';

function succeed(limit: AimdLimit, count: number): void {
  for (let i = 0; i < count; i += 1) limit.onSuccess();
}

it('begins with five calls in flight', () => {
  expect(new AimdLimit().current).toBe(5);
});

it('rises by one after as many successes as calls in flight', () => {
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

it('never rises above sixteen', () => {
  const limit = new AimdLimit();
  succeed(limit, 10_000);
  expect(limit.current).toBe(16);
});

it('holds one number when start and max are equal', () => {
  const limit = new AimdLimit({ start: 3, max: 3 });
  succeed(limit, 100);
  expect(limit.current).toBe(3);
});

it('halves at a rate limit and never falls below one', () => {
  const limit = new AimdLimit();
  const seen = [1, 2, 3, 4].map(() => {
    limit.onRateLimited();
    return limit.current;
  });
  expect(seen).toEqual([2, 1, 1, 1]);
});

it('counts successes anew after a rate limit', () => {
  const limit = new AimdLimit();
  succeed(limit, 4);
  limit.onRateLimited();
  succeed(limit, 1);
  expect(limit.current).toBe(2);
  succeed(limit, 1);
  expect(limit.current).toBe(3);
});

it('halves once for all calls that began before the cut', () => {
  const limit = new AimdLimit();
  const { epoch } = limit;
  for (let call = 0; call < 5; call += 1) limit.onRateLimited(epoch);
  expect(limit.current).toBe(2);
  limit.onRateLimited(limit.epoch);
  expect(limit.current).toBe(1);
});
