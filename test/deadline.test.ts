import { describe, expect, it } from 'vitest';
import { Deadline, monotonicClock } from '../shared/deadline.ts';

describe('Deadline', () => {
  it('counts down with its clock and never goes below zero', () => {
    let nowMs = 5_000;
    const deadline = Deadline.after(1_000, () => nowMs);
    expect(deadline.remainingMs()).toBe(1_000);
    nowMs = 5_999;
    expect(deadline.remainingMs()).toBe(1);
    nowMs = 9_000;
    expect(deadline.remainingMs()).toBe(0);
  });

  it('has time for exactly its remaining milliseconds, and not for one more', () => {
    const deadline = Deadline.after(1_000, () => 0);
    expect(deadline.hasTimeFor(1_000)).toBe(true);
    expect(deadline.hasTimeFor(1_001)).toBe(false);
  });

  it('uses a monotonic clock unless another is given', () => {
    expect(Deadline.after(60_000).remainingMs()).toBeGreaterThan(0);
    expect(monotonicClock()).toBeLessThanOrEqual(monotonicClock());
  });
});
