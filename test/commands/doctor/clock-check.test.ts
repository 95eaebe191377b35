import { describe, expect, it } from 'vitest';
import { compareClocks } from '../../../commands/doctor/clock-check.ts';

describe('compareClocks', () => {
  it('subtracts the uncertainty of a slow answer, and blames this machine when both other clocks differ', () => {
    const at = (owner: string, offsetMs: number, uncertaintyMs: number) => ({
      owner,
      offsetMs,
      uncertaintyMs,
    });
    expect(compareClocks({ a: at('a', 12_000, 5_000) }).state).toBe('ok');
    expect(compareClocks({ a: at('a', 12_000, 500) }).state).toBe('warn');
    const both = compareClocks({ a: at('a', -400_000, 100), b: at('b', -400_500, 100) });
    expect(both).toMatchObject({ state: 'fail', remediation: expect.stringContaining('this machine') });
    expect(compareClocks({ a: at('a', 0, 1), b: null }).text).toContain('unknown: b');
    expect(compareClocks({ a: null })).toMatchObject({ state: 'warn' });
  });
});
