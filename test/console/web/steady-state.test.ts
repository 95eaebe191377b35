import { describe, expect, it } from 'vitest';
import { describeState } from '../../../console/web/describe-state.ts';
import { SteadyState } from '../../../console/web/steady-state.ts';
import type { State } from '../../../shared/schemas/state.ts';
import { overview, totals } from './overview-fixture.ts';

function described(state: State, advice: readonly string[] = []) {
  return describeState(inState(state, advice));
}

function inState(state: State, advice: readonly string[] = []) {
  return overview({ status: { state, advice: [...advice] }, mailbox: { waiting_count: 1 } });
}

describe('SteadyState', () => {
  it('keeps the heading Watching for ten seconds while new email is fetched, with the reason of the new state', () => {
    const steady = new SteadyState();
    const catchingUp = described('catching_up');
    expect(steady.of(inState('watching'), 0)).toEqual(described('watching'));
    expect(steady.of(inState('catching_up'), 9_999)).toEqual({
      state: 'watching',
      label: 'Watching',
      tone: 'ok',
      reason: catchingUp.reason,
    });
    expect(steady.of(inState('catching_up'), 10_000)).toEqual(catchingUp);
    expect(steady.of(inState('catching_up'), 10_001)).toEqual(catchingUp);
  });

  it('counts from the last overview that is Watching', () => {
    const steady = new SteadyState();
    steady.of(inState('watching'), 0);
    steady.of(inState('catching_up'), 8_000);
    steady.of(inState('watching'), 9_000);
    expect(steady.of(inState('catching_up'), 18_000).label).toBe('Watching');
  });

  it('shows Catching up at once on a new page, and after any other state', () => {
    const steady = new SteadyState();
    expect(steady.of(inState('catching_up'), 0).label).toBe('Catching up');
    steady.of(inState('watching'), 1_000);
    for (const state of ['stopped', 'backing_off', 'watch_failing'] as const) {
      expect(steady.of(inState(state), 2_000)).toEqual(described(state));
      expect(steady.of(inState('catching_up'), 3_000).label).toBe('Catching up');
    }
  });

  it('keeps Not checked yet too', () => {
    const steady = new SteadyState();
    const unchecked = overview({ mailbox: { reconciliation: null } });
    expect(steady.of(unchecked, 0)).toMatchObject({ label: 'Not checked yet', tone: 'active' });
    expect(steady.of(inState('catching_up'), 1_000)).toMatchObject({
      state: 'unchecked',
      label: 'Not checked yet',
      tone: 'active',
    });
  });

  it.each([
    [
      'a check found messages missing',
      overview({ status: { state: 'catching_up', totals: totals({ missing: 2 }) } }),
    ],
    ['older email is listed', overview({ status: { state: 'catching_up' }, mailbox: { is_listing: true } })],
  ])('shows Catching up at once when %s', (_, given) => {
    const steady = new SteadyState();
    steady.of(inState('watching'), 0);
    expect(steady.of(given, 1_000)).toMatchObject({ label: 'Catching up', tone: 'active' });
  });

  it('keeps the warning of advice', () => {
    const steady = new SteadyState();
    steady.of(inState('watching'), 0);
    expect(steady.of(inState('catching_up', ['Do it.']), 1_000)).toMatchObject({
      label: 'Watching',
      tone: 'warning',
    });
  });
});
