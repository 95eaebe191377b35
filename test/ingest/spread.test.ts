import { expect, test } from 'vitest';
import { secondsIntoPeriod } from '../../shared/ingest/spread.ts';

const PERIOD = 900;
const AT = new Date('2026-11-28T10:00:00Z');

/** How many of the mailboxes 1 to 10,000 begin their period in each minute of it. */
function perMinute(): number[] {
  const counts = Array.from({ length: PERIOD / 60 }, () => 0);
  for (let id = 1; id <= 10_000; id += 1) {
    const minute = Math.floor(secondsIntoPeriod(id, PERIOD, AT) / 60);
    counts[minute] = (counts[minute] ?? 0) + 1;
  }
  return counts;
}

test('10,000 mailboxes that were added together are spread evenly over a period', () => {
  const counts = perMinute();
  expect(counts).toHaveLength(15);
  expect(Math.min(...counts)).toBeGreaterThan(650);
  expect(Math.max(...counts)).toBeLessThan(685);
});

test('the first mailboxes are spread too', () => {
  const minutes = [1, 2, 3, 4, 5].map((id) => Math.floor(secondsIntoPeriod(id, PERIOD, AT) / 60));
  expect(new Set(minutes).size).toBe(5);
});

test('a mailbox begins its period every time after the same number of seconds', () => {
  for (const id of [1, 77, 9_999]) {
    const into = secondsIntoPeriod(id, PERIOD, AT);
    expect(into).toBeGreaterThanOrEqual(0);
    expect(into).toBeLessThan(PERIOD);
    expect(secondsIntoPeriod(id, PERIOD, new Date(AT.getTime() + PERIOD * 1_000))).toBe(into);
    const later = secondsIntoPeriod(id, PERIOD, new Date(AT.getTime() + 100_000));
    expect(later).toBe((into + 100) % PERIOD);
  }
});
