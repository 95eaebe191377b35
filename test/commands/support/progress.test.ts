import { describe, expect, it } from 'vitest';
import {
  formatDuration,
  Progress,
  RateMeter,
  renderBar,
  renderLine,
} from '../../../commands/support/progress.ts';

const half = { done: 3_000, total: 6_000, noun: 'messages', perMinute: 300, extra: '5,980 units used' };

describe('progress of a command', () => {
  it('renders a bar with share, rate and remaining time', () => {
    expect(renderBar(half, 200)).toBe(
      '[############------------] 3,000 of 6,000 messages (50 %), 300 per minute, 10 min left, 5,980 units used',
    );
    expect(renderBar({ ...half, done: 6_000 }, 200)).toContain('[########################] 6,000 of 6,000');
    expect(renderBar({ ...half, done: 5_999 }, 200)).toContain('#-] 5,999 of 6,000 messages (99 %)');
  });

  it('limits the shown rate to what the quota allows', () => {
    expect(renderLine({ ...half, perMinute: 3_600, maxPerMinute: 300 })).toContain(
      '300 per minute, 10 min left',
    );
    expect(renderLine({ ...half, perMinute: 150, maxPerMinute: 300 })).toContain(
      '150 per minute, 20 min left',
    );
  });

  it('cuts the bar to the width of the terminal, so that it does not wrap', () => {
    for (const columns of [1, 10, 80]) expect(renderBar(half, columns).length).toBeLessThan(columns);
  });

  it('omits share, rate and remaining time while they are unknown', () => {
    expect(renderLine({ done: 500, total: null, noun: 'messages', perMinute: null })).toBe('500 messages');
    expect(renderLine({ done: 0, total: 0, noun: 'emails', perMinute: null })).toBe('0 of 0 emails');
    expect(renderLine({ done: 1, total: 9, noun: 'emails', perMinute: null })).toBe('1 of 9 emails (11 %)');
  });

  it('rounds the remaining time up', () => {
    expect([0.2, 90, 91, 3_599, 3_600, 4_000].map(formatDuration)).toEqual([
      '1 s',
      '90 s',
      '2 min',
      '1 h',
      '1 h',
      '1 h 7 min',
    ]);
  });

  it('averages the rate over the last two minutes', () => {
    const rate = new RateMeter();
    expect(rate.add(0, 0)).toBeNull();
    expect(rate.add(60_000, 300)).toBe(300);
    expect(rate.add(120_000, 300)).toBe(150);
    expect(rate.add(180_000, 300)).toBeNull();
    expect(rate.add(240_000, 420)).toBe(60);
  });

  function shown(isTTY: boolean) {
    const written: string[] = [];
    let now = 0;
    const progress = new Progress({ isTTY, columns: 60, write: (text) => written.push(text) }, () => now);
    const at = (ms: number, done: number) => {
      now = ms;
      progress.update({ done, total: 10, noun: 'emails' });
    };
    return { written, progress, at };
  }

  it('redraws its line on a terminal, and clears it before other output', () => {
    const { written, progress, at } = shown(true);
    at(0, 1);
    at(50, 2);
    at(100, 3);
    progress.clear();
    progress.clear();
    at(101, 4);
    expect(written.map((text) => text.replaceAll('\u001b', 'ESC'))).toEqual([
      '\rESC[2K[##----------------------] 1 of 10 emails (10 %)',
      expect.stringMatching(/^\rESC\[2K\[#{7}-{17}\] 3 of 10/),
      '\rESC[2K',
      expect.stringMatching(/^\rESC\[2K\[#{9}-{15}\] 4 of 10/),
    ]);
  });

  it('prints a plain line every five seconds when the output is not a terminal', () => {
    const { written, progress, at } = shown(false);
    for (let ms = 0; ms <= 10_000; ms += 500) at(ms, ms / 1_000);
    progress.clear();
    expect(written).toEqual(['  5 of 10 emails (50 %)\n', '  10 of 10 emails (100 %), 60 per minute\n']);
  });
});
