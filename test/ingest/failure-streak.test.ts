import { expect, test } from 'vitest';
import { FailureStreak } from '../../shared/ingest/failure-streak.ts';

function failing(count: number): FailureStreak {
  const streak = new FailureStreak();
  for (let n = 1; n <= count; n += 1) streak.failed(`m${n}`, true);
  return streak;
}

test('eight failures in a row are an outage, seven are not', () => {
  expect(failing(7).isOutage).toBe(false);
  expect(failing(8).isOutage).toBe(true);
});

test('a success between them begins the count anew', () => {
  const streak = failing(7);
  streak.succeeded();
  streak.failed('m8', true);
  expect(streak.isOutage).toBe(false);
  expect(streak.charged).toEqual(['m8']);
});

test('a success of what was in flight when the outage showed charges nobody', () => {
  const streak = failing(8);
  streak.succeeded();
  streak.failed('m9', true);
  expect(streak.isOutage).toBe(true);
  expect(streak.charged).toHaveLength(9);
});

test('an attempt that was handed back already counts for the outage and is not refunded', () => {
  const streak = failing(7);
  streak.failed('limited', false);
  expect(streak.isOutage).toBe(true);
  expect(streak.charged).not.toContain('limited');
});

test('a message that failed twice in the run is refunded twice', () => {
  const streak = failing(8);
  streak.failed('m1', true);
  expect(streak.charged.filter((id) => id === 'm1')).toHaveLength(2);
});
