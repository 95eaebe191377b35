import { describe, expect, it } from 'vitest';
import { nextText, pollingOf } from '../../../console/web/polling.ts';
import { mailbox, overview } from './overview-fixture.ts';

const ANN = 'ann@example.com';
const BOB = 'bob@example.com';
const PAUSED = { is_paused: true, state: 'stopped' } as const;

describe('pollingOf', () => {
  it('is that of the mailbox of the message, not of the worst mailbox', () => {
    const mailboxes = [
      mailbox({ email_address: ANN, state: 'reauth_required' }),
      mailbox({ email_address: BOB }),
      mailbox(PAUSED),
    ];
    const given = overview({ status: { state: 'reauth_required', mailbox_count: 3, mailboxes } });
    expect(pollingOf(given, ANN)).toBe('blocked');
    expect(pollingOf(given, BOB)).toBe('on');
    expect(pollingOf(given, 'orders@example.com')).toBe('paused');
  });

  it('is paused for the only mailbox while it is paused', () => {
    expect(pollingOf(overview({ status: { state: 'stopped' }, mailbox: PAUSED }), 'orders@example.com')).toBe(
      'paused',
    );
  });

  it('is stopped for each mailbox while the monitor is stopped', () => {
    const given = overview({ status: { state: 'stopped', is_running: false }, mailbox: PAUSED });
    expect(pollingOf(given, 'orders@example.com')).toBe('stopped');
  });

  it('of a mailbox that is not among the worst hundred is that of the last of them', () => {
    const mailboxes = [
      mailbox({ email_address: ANN, state: 'access_denied' }),
      mailbox({ email_address: BOB, state: 'watching' }),
    ];
    const given = overview({ status: { state: 'access_denied', mailbox_count: 3, mailboxes } });
    expect(pollingOf(given, 'zoe@example.com')).toBe('on');
    expect(pollingOf(overview({ mailbox: null }), ANN)).toBe('on');
  });
});

describe('nextText', () => {
  it.each([
    ['on', ' It is fetched.'],
    ['stopped', ' The monitor is stopped: press “Start” or “Poll now”.'],
    ['paused', ' The mailbox is paused: press “Resume” in the list of mailboxes.'],
    ['blocked', ' The monitor cannot poll this mailbox now: see the top of this page.'],
  ] as const)('says when a waiting message is fetched while polling is %s', (polling, text) => {
    expect(nextText(polling, 'It is fetched.')).toBe(text);
  });
});
