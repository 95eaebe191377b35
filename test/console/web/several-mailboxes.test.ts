import { describe, expect, it } from 'vitest';
import { describeCompleteness } from '../../../console/web/completeness.ts';
import { describeState } from '../../../console/web/describe-state.ts';
import type { StatusJson } from '../../../shared/schemas/status.ts';
import { NOW, overview, totals } from './overview-fixture.ts';

const several = (more: Partial<StatusJson['totals']>, status: Partial<StatusJson> = {}) =>
  overview({ status: { mailbox_count: 40, totals: totals(more), ...status } });

describe('the state of several mailboxes', () => {
  it.each([
    [
      { reauth_required: 1, access_denied: 1, watching: 38 },
      'reauth_required',
      '2 of 40 mailboxes are locked out',
    ],
    [{ backing_off: 1, watching: 39 }, 'backing_off', '1 of 40 mailboxes is failing'],
    [{ catching_up: 3, watching: 37 }, 'catching_up', '3 of 40 mailboxes are catching up'],
    [{ watching: 40 }, 'watching', 'Watching 40 mailboxes'],
  ] as const)(
    'the headline names the worst state with the number of mailboxes in it: %j',
    (states, state, label) => {
      expect(describeState(several({ states }, { state })).label).toBe(label);
    },
  );

  it('the reason counts the mailboxes of each state and the paused ones', () => {
    const given = several(
      { states: { reauth_required: 2, watching: 37 }, paused_count: 1 },
      { state: 'reauth_required' },
    );
    expect(describeState(given).reason).toBe(
      'Of 40 mailboxes, 2 are locked out, 37 are up to date, 1 is paused.',
    );
  });

  it('the headline does not count paused mailboxes as watched', () => {
    const given = several({ states: { watching: 37 }, paused_count: 3 }, { state: 'watching' });
    expect(describeState(given).label).toBe('Watching 37 mailboxes');
  });

  it('the headline is Watching while only a paused mailbox has never been compared with Gmail', () => {
    const paused = {
      states: { watching: 1 },
      paused_count: 1,
      unreconciled_count: 1,
      unreconciled_paused_count: 1,
    };
    expect(describeState(several(paused, { mailbox_count: 2 }))).toMatchObject({
      state: 'watching',
      tone: 'ok',
      label: 'Watching 1 mailbox',
      reason: 'Of 2 mailboxes, 1 is up to date, 1 is paused.',
    });
    const unchecked = { ...paused, unreconciled_count: 2 };
    expect(describeState(several(unchecked, { mailbox_count: 2 })).label).toBe(
      '1 of 2 mailboxes is not checked yet',
    );
  });

  it('the headline says that all are paused, and that the monitor is stopped', () => {
    const states = { states: { stopped: 40 } };
    expect(describeState(several({ states: {}, paused_count: 40 }, { state: 'stopped' })).label).toBe(
      'All mailboxes are paused',
    );
    expect(describeState(several(states, { state: 'stopped', is_running: false })).label).toBe('Stopped');
  });

  it('the headline says that all are paused also while one of them is locked out', () => {
    const given = several({ states: {}, paused_count: 40 }, { state: 'reauth_required' });
    expect(describeState(given)).toMatchObject({
      label: 'All mailboxes are paused',
      reason: 'Of 40 mailboxes, 40 are paused.',
    });
  });

  it.each([
    [1, '1 of 40 mailboxes is not checked yet'],
    [40, '40 of 40 mailboxes are not checked yet'],
  ])(
    'the headline is not Watching while %i mailboxes have never been compared with Gmail, and none is called up to date',
    (count, label) => {
      const described = describeState(several({ states: { watching: 40 }, unreconciled_count: count }));
      expect(described).toMatchObject({ state: 'unchecked', tone: 'active', label });
      expect(described.reason).toBe(
        `Of 40 mailboxes, 40 have nothing waiting. Whether mail is missing is not known yet for ${count} of them.`,
      );
    },
  );

  it('the reason calls no mailbox up to date while one was never compared, whatever the headline is', () => {
    const states = { reauth_required: 1, catching_up: 1, watching: 1 };
    const given = several({ states, unreconciled_count: 2 }, { mailbox_count: 3, state: 'reauth_required' });
    expect(describeState(given)).toMatchObject({
      label: '1 of 3 mailboxes is locked out',
      reason:
        'Of 3 mailboxes, 1 is locked out, 1 is catching up, 1 has nothing waiting. ' +
        'Whether mail is missing is not known yet for 2 of them.',
    });
  });
});

describe('the figures of several mailboxes', () => {
  it('all mail is stored only when nothing is unknown, missing or waiting for any mailbox', () => {
    const { missing, sentence, waiting } = describeCompleteness(several({}), null);
    expect(sentence).toEqual(['The last check of each mailbox found all its mail stored.']);
    expect([waiting.value, missing.value]).toEqual([['0'], ['0']]);
  });

  it('waiting and missing are not known while they are unknown for one mailbox', () => {
    const given = several({ waiting_count: null, unknown_count: 1, pending: 7 });
    const { missing, sentence, waiting } = describeCompleteness(given, null);
    expect(waiting).toMatchObject({ value: ['not known'], note: ['for 1 of 40 mailboxes; 7 found in all'] });
    expect(missing).toMatchObject({
      value: ['not known'],
      note: ['for 1 of 40 mailboxes; none in the others'],
    });
    expect(sentence.join('')).toContain('not known for 1 of 40 mailboxes');
  });

  it('missing messages are a number although the figure is unknown for other mailboxes', () => {
    const { missing } = describeCompleteness(several({ missing: 3, unreconciled_count: 2 }), null);
    expect(missing).toMatchObject({ value: ['3'], tone: 'critical' });
  });

  it('the figures are not known while the console does not answer', () => {
    const { missing, sentence, waiting } = describeCompleteness(several({}), NOW);
    expect(sentence.join('')).toContain('not known');
    for (const { value } of [missing, waiting]) expect(value[0]).toBe('not known since ');
  });
});
