import { describe, expect, it } from 'vitest';
import { describeNoAnswer, describeState } from '../../../console/web/describe-state.ts';
import { formatClock } from '../../../console/web/format-time.ts';
import { STATES } from '../../../shared/schemas/state.ts';
import { failing, NOW, overview, reconciliation } from './overview-fixture.ts';

const ADVICE = { advice: ['Do it.'], advice_items: [{ code: 'x', text: 'Do it.', action: null }] };
const NEXT_TRY = '2026-11-23T09:01:00.000Z';

describe('the heading', () => {
  it.each([
    ['not_configured', 'Not set up', 'critical'],
    ['reauth_required', 'Locked out', 'critical'],
    ['access_denied', 'Locked out', 'critical'],
    ['stopped', 'Stopped', 'inactive'],
    ['backing_off', `Failing (next try at ${formatClock(NEXT_TRY)})`, 'critical'],
    ['not_polling', 'Not polling', 'critical'],
    ['fetch_failing', 'Some mail cannot be fetched', 'critical'],
    ['watch_failing', 'Push is failing', 'warning'],
    ['starting', 'Starting', 'active'],
    ['catching_up', 'Catching up', 'active'],
    ['watching', 'Watching', 'ok'],
  ] as const)('of the state %s is "%s" in the tone %s', (state, label, tone) => {
    const given = overview({ status: { state }, mailbox: { next_poll_at: NEXT_TRY, failing: failing(1) } });
    expect(describeState(given)).toMatchObject({ state, label, tone });
    expect(describeState(given).reason).not.toBe('');
  });

  it('exists for every state of the server', () => {
    for (const state of STATES) expect(describeState(overview({ status: { state } })).label).not.toBe(state);
  });

  it('says that the next try is now when its time has come', () => {
    for (const nextAt of [null, NOW]) {
      const given = overview({ status: { state: 'backing_off' }, mailbox: { next_poll_at: nextAt } });
      expect(describeState(given).label).toBe('Failing (next try now)');
    }
  });

  it('shows the name of a state that only a newer server knows', () => {
    const given = overview({ status: { state: 'hibernating' as 'watching' } });
    expect(describeState(given)).toEqual({
      state: 'hibernating',
      label: 'hibernating',
      tone: 'warning',
      reason: '',
    });
  });

  it('is not Watching while a former mailbox has dead messages', () => {
    const given = overview({ deadCount: 1 });
    expect(describeState(given)).toMatchObject({ state: 'fetch_failing', tone: 'critical' });
  });

  it('is not Watching before the first reconciliation, because messages may be missing', () => {
    const given = overview({ mailbox: { reconciliation: null } });
    expect(describeState(given)).toMatchObject({
      label: 'Not checked yet',
      tone: 'active',
      reason: expect.stringContaining('not compared'),
    });
  });
});

describe('the reason', () => {
  it('of Watching says that nothing is waiting', () => {
    expect(describeState(overview()).reason).toMatch(/^Nothing is waiting\./);
  });

  it('of Watching with advice is a warning that does not say that nothing is waiting', () => {
    const { reason, tone } = describeState(overview({ status: ADVICE }));
    expect([tone, reason]).toEqual(['warning', expect.stringContaining('needs your attention')]);
    expect(reason).not.toContain('Nothing is waiting');
  });

  it('of Stopped says that it is not known how much waits', () => {
    expect(describeState(overview({ status: { state: 'stopped' } })).reason).toContain('not known');
  });

  it('of a paused only mailbox is about the pause and asks for Resume, not for Start', () => {
    const given = overview({ status: { state: 'stopped' }, mailbox: { state: 'stopped', is_paused: true } });
    const { label, reason, tone } = describeState(given);
    expect([label, tone]).toEqual(['Paused', 'inactive']);
    expect(reason).toContain('orders@example.com is paused');
    expect(reason).toContain('how much waits is not known');
    expect(reason).toContain('Resume fetches all of it');
    expect(reason).not.toContain('Start');
  });

  it('of Stopped asks for Start and Resume while the only mailbox is paused too', () => {
    const given = overview({
      status: { state: 'stopped', is_running: false },
      mailbox: { state: 'stopped', is_paused: true },
    });
    expect(describeState(given)).toMatchObject({
      label: 'Stopped',
      reason: expect.stringContaining('Start and Resume fetch all of it'),
    });
  });

  it('of mail that cannot be fetched ends with how to fix it, unless the advice about dead messages says it', () => {
    const reasonOf = (deadCount: number) =>
      describeState(
        overview({ status: { state: 'fetch_failing' }, mailbox: { failing: failing(2, deadCount) } }),
      ).reason;
    expect(reasonOf(0)).toMatch(/^2 messages cannot be fetched .* users\.messages\.get: 503\. Wait\.$/);
    expect(reasonOf(1)).toMatch(/users\.messages\.get: 503\.$/);
  });

  it('of Catching up counts what waits and what was missing', () => {
    const given = overview({
      status: { state: 'catching_up' },
      mailbox: {
        is_listing: true,
        ledger: { pending: 3, stored: 1, gone: 0, ignored: 0, dead: 0 },
        reconciliation: reconciliation({ missing_count: 1 }),
      },
    });
    expect(describeState(given).reason).toMatch(
      /^Older email is not completely listed yet\. 3 messages are waiting.* The last check found 1 message missing/,
    );
  });

  it('of a locked mailbox ends with the error, also before the mailbox is known', () => {
    const status = {
      state: 'access_denied',
      last_error: 'The credentials belong to another account',
    } as const;
    expect(describeState(overview({ status, mailbox: null })).reason).toMatch(/ another account\.$/);
  });
});

it('says since when there is no answer and why, or that nothing was loaded yet', () => {
  expect(describeNoAnswer(NOW, 'The database does not answer', 'PostgreSQL: ECONNREFUSED.')).toMatchObject({
    state: 'no_answer',
    label: 'No answer',
    reason: expect.stringMatching(
      /^Since \S+.*\. The database does not answer\. PostgreSQL: ECONNREFUSED\.$/,
    ),
  });
  expect(describeNoAnswer(null, 'Down', 'No response.').reason).toBe(
    'No data has been loaded yet. Down. No response.',
  );
});
