import { describe, expect, it } from 'vitest';
import { duration, Pace, Progress, renderBar, renderLine } from '../../commands/support/progress.ts';
import { quoted } from '../../commands/support/terminal.ts';

const half = { done: 3_000, total: 6_000, noun: 'messages', perMinute: 300, extra: '5,980 units a minute' };

describe('the progress of a command', () => {
  it('is a bar with share, rate and time left', () => {
    expect(renderBar(half, 200)).toBe(
      '[############------------] 3,000 of 6,000 messages (50 %), 300 a minute, 10 min left, 5,980 units a minute',
    );
    expect(renderBar({ ...half, done: 6_000 }, 200)).toContain('[########################] 6,000 of 6,000');
    expect(renderBar({ ...half, done: 5_999 }, 200)).toContain('#-] 5,999 of 6,000 messages (99 %)');
  });

  it('promises no more than a quota lets through', () => {
    expect(renderLine({ ...half, perMinute: 3_600, mostPerMinute: 300 })).toContain(
      '300 a minute, 10 min left',
    );
    expect(renderLine({ ...half, perMinute: 150, mostPerMinute: 300 })).toContain(
      '150 a minute, 20 min left',
    );
  });

  it('never wraps: the bar could not be drawn over', () => {
    for (const columns of [1, 10, 80]) expect(renderBar(half, columns).length).toBeLessThan(columns);
  });

  it('says no share, rate or time that is not known', () => {
    expect(renderLine({ done: 500, total: null, noun: 'messages', perMinute: null })).toBe('500 messages');
    expect(renderLine({ done: 0, total: 0, noun: 'emails', perMinute: null })).toBe('0 of 0 emails');
    expect(renderLine({ done: 1, total: 9, noun: 'emails', perMinute: null })).toBe('1 of 9 emails (11 %)');
  });

  it('rounds the time left up', () => {
    expect([0.2, 90, 91, 3_599, 3_600, 4_000].map(duration)).toEqual([
      '1 s',
      '90 s',
      '2 min',
      '1 h',
      '1 h',
      '1 h 7 min',
    ]);
  });

  it('goes by the pace of the last two minutes', () => {
    const pace = new Pace();
    expect(pace.note(0, 0)).toBeNull();
    expect(pace.note(60_000, 300)).toBe(300);
    expect(pace.note(120_000, 300)).toBe(150);
    expect(pace.note(180_000, 300)).toBeNull();
    expect(pace.note(240_000, 420)).toBe(60);
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

  it('draws over its own line on a terminal, and makes room for what is said', () => {
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

  it('is a plain line every five seconds elsewhere', () => {
    const { written, progress, at } = shown(false);
    for (let ms = 0; ms <= 10_000; ms += 500) at(ms, ms / 1_000);
    progress.clear();
    expect(written).toEqual(['  5 of 10 emails (50 %)\n', '  10 of 10 emails (100 %), 60 a minute\n']);
  });
});

describe('a name from outside on a terminal', () => {
  it('is quoted, in one line, and moves, colours and turns nothing', () => {
    expect(quoted('Bestellung Ä 注文.pdf')).toBe('"Bestellung Ä 注文.pdf"');
    expect(quoted('\u001b[2J\r\na.pdf\u0007')).toBe('"\\u{1b}[2J\\u{d}\\u{a}a.pdf\\u{7}"');
    expect(quoted('a\u202efdp.exe')).toBe('"a\\u{202e}fdp.exe"');
    expect(quoted('\u009b31m\u2028\u200b\u00a0')).toBe('"\\u{9b}31m\\u{2028}\\u{200b}\\u{a0}"');
    expect(quoted('say "hi" \\ there')).toBe('"say \\"hi\\" \\\\ there"');
    expect(quoted('x'.repeat(300))).toBe(`"${'x'.repeat(120)}..."`);
  });
});
