import { describe, expect, it } from 'vitest';
import { judgeClocks } from '../../../commands/doctor/clock-check.ts';

describe('clocks', () => {
  it('takes what a slow answer leaves open for no skew, and names this machine when both others agree', () => {
    const at = (whose: string, aheadMs: number, doubtMs: number) => ({ whose, aheadMs, doubtMs });
    expect(judgeClocks({ a: at('a', 12_000, 5_000) }).state).toBe('ok');
    expect(judgeClocks({ a: at('a', 12_000, 500) }).state).toBe('warning');
    const both = judgeClocks({ a: at('a', -400_000, 100), b: at('b', -400_500, 100) });
    expect(both).toMatchObject({ state: 'fault', remediation: expect.stringContaining('this machine') });
    expect(judgeClocks({ a: at('a', 0, 1), b: null }).text).toContain('not seen: b');
    expect(judgeClocks({ a: null })).toMatchObject({ state: 'warning' });
  });
});
