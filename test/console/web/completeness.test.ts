import { beforeEach, describe, expect, it } from 'vitest';
import { describeCompleteness, storedOf } from '../../../console/web/completeness.ts';
import type { Completeness, Text } from '../../../console/web/figure.ts';
import { formatClock, setServerTime } from '../../../console/web/format-time.ts';
import type { State } from '../../../shared/schemas/state.ts';
import {
  failing,
  mailbox as mailboxOf,
  minutesBefore,
  NOW,
  overview,
  reconciliation,
} from './overview-fixture.ts';

const clock = (minutes: number) => formatClock(minutesBefore(minutes));
const UNKNOWN_SINCE = minutesBefore(30);

beforeEach(() => setServerTime(NOW));

/** `3 min ago` depends on the clock, so an age is written as its minutes before NOW. */
function plain(text: Text): string {
  return text
    .map((part) => {
      if (typeof part === 'string') return part;
      if (part.as === 'clock') return formatClock(part.at);
      return `${(Date.parse(NOW) - Date.parse(part.at)) / 60_000} min${part.as === 'ago' ? ' ago' : ''}`;
    })
    .join('');
}

type Given = Parameters<typeof overview>[0];

function sentence(given?: Given, lostSince: string | null = null): string {
  return plain(describeCompleteness(overview(given), lostSince).sentence);
}

function figures(given?: Given, lostSince: string | null = null): Record<string, string> {
  const { dead, missing, waiting }: Completeness = describeCompleteness(overview(given), lostSince);
  return { waiting: plain(waiting.value), missing: plain(missing.value), dead: plain(dead.value) };
}

describe('the sentence about completeness', () => {
  it('says up to when all mail is stored: when the listing of the check began', () => {
    expect(sentence()).toBe(`All mail up to ${clock(5)} is stored (checked 3 min ago).`);
  });

  it('names what is not stored: messages that cannot be fetched, that wait, and that were given up', () => {
    const mailbox = {
      failing: failing(2, 1),
      ledger: { pending: 4, stored: 41, gone: 0, ignored: 0, dead: 2 },
      oldest_pending_at: minutesBefore(10),
    };
    expect(sentence({ mailbox })).toBe(
      `All mail up to ${clock(5)} is stored, except 2 messages that cannot be fetched, 3 that are waiting and 1 that was given up (checked 3 min ago).`,
    );
  });

  it('does not count messages that arrived after the check', () => {
    const ledger = { pending: 3, stored: 41, gone: 0, ignored: 0, dead: 0 };
    expect(sentence({ mailbox: { ledger, oldest_pending_at: minutesBefore(1) } })).not.toContain('except');
    expect(sentence({ mailbox: { ledger, oldest_pending_at: minutesBefore(4) } })).toContain(
      'except 3 messages that are waiting (',
    );
  });

  it('says that a message was missing and is being fetched', () => {
    const one = reconciliation({ missing_count: 1 });
    expect(sentence({ status: { state: 'catching_up' }, mailbox: { reconciliation: one } })).toBe(
      `1 message was missing; it is being fetched. All other mail up to ${clock(5)} is stored (checked 3 min ago).`,
    );
  });

  it('says that it is not known before the first check', () => {
    expect(sentence({ mailbox: { reconciliation: null } })).toMatch(
      /^Whether all mail is stored is not known yet\./,
    );
  });

  it.each([
    ['not_configured', 'there are no Gmail credentials'],
    ['reauth_required', 'Gmail rejects the credentials'],
    ['access_denied', 'Gmail denies access'],
    ['stopped', 'the monitor is stopped'],
    ['backing_off', 'runs fail'],
    ['not_polling', 'no run takes place'],
  ] as const)(
    'says in the state %s since when it is not known, and what the last check found',
    (state, because) => {
      const given = { status: { state }, mailbox: { waiting_count: null, unknown_since: UNKNOWN_SINCE } };
      expect(sentence(given)).toBe(
        `Whether all mail is stored is not known since ${clock(30)}, because ${because}. All mail up to ${clock(5)} was stored, as checked at ${clock(3)}.`,
      );
    },
  );

  it('names the pause of the only mailbox as the reason, not a stopped monitor', () => {
    const paused = { is_paused: true, waiting_count: null, unknown_since: UNKNOWN_SINCE };
    expect(sentence({ status: { state: 'stopped' }, mailbox: paused })).toContain(
      `not known since ${clock(30)}, because the mailbox is paused.`,
    );
    expect(sentence({ status: { state: 'stopped', is_running: false }, mailbox: paused })).toContain(
      'because the monitor is stopped.',
    );
  });

  it('says that it is not known since the last answer while there is no newer one', () => {
    expect(sentence({}, minutesBefore(2))).toMatch(
      new RegExp(
        `not known since ${clock(2)}, because the console does not answer\\. All mail up to .* was stored`,
      ),
    );
  });

  it('does not claim while unknown that mail was stored which the last check found missing', () => {
    const given = {
      status: { state: 'stopped' as State },
      mailbox: { unknown_since: UNKNOWN_SINCE, reconciliation: reconciliation({ missing_count: 2 }) },
    };
    expect(sentence(given)).toMatch(/2 messages missing at the last check, at /);
    expect(sentence(given)).not.toContain('was stored');
  });

  it('does not claim that mail was never checked while it is not known which mailbox the credentials belong to', () => {
    const mailboxes = ['orders', 'sales'].map((name) =>
      mailboxOf({ email_address: `${name}@example.com`, is_current: false, state: 'not_configured' }),
    );
    expect(sentence({ status: { state: 'not_configured', mailbox_count: 0, mailboxes } })).toBe(
      'Whether all mail is stored is not known yet, because there are no Gmail credentials.',
    );
  });

  it('says that no run has reached the mailbox while none is known', () => {
    expect(sentence({ status: { state: 'starting' }, mailbox: null })).toMatch(
      /not known yet, because no run has reached the mailbox yet\..* never been checked/,
    );
  });
});

describe('the figures', () => {
  it('are numbers while they are known', () => {
    expect(figures()).toEqual({ waiting: '0', missing: '0', dead: '0' });
  });

  it.each([
    'not_configured',
    'reauth_required',
    'access_denied',
    'stopped',
    'backing_off',
    'not_polling',
  ] as const)(
    'that depend on Gmail are not known in the state %s, with the time of the last knowledge',
    (state) => {
      const given = { status: { state }, mailbox: { waiting_count: null, unknown_since: UNKNOWN_SINCE } };
      const unknown = `not known since ${clock(30)}`;
      expect(figures(given)).toEqual({ waiting: unknown, missing: unknown, dead: '0' });
    },
  );

  it('are all not known while there is no answer', () => {
    const unknown = `not known since ${clock(2)}`;
    expect(figures({ deadCount: 3 }, minutesBefore(2))).toEqual({
      waiting: unknown,
      missing: unknown,
      dead: unknown,
    });
  });

  it('keep the earlier time when they were not known before the last answer either', () => {
    const given = { status: { state: 'stopped' as State }, mailbox: { unknown_since: UNKNOWN_SINCE } };
    expect(figures(given, minutesBefore(2))['waiting']).toBe(`not known since ${clock(30)}`);
  });

  it('say that the waiting count is not known while a listing is unfinished, and how many were found', () => {
    const mailbox = {
      waiting_count: null,
      unknown_since: UNKNOWN_SINCE,
      ledger: { pending: 7, stored: 1, gone: 0, ignored: 0, dead: 0 },
    };
    const { waiting } = describeCompleteness(overview({ status: { state: 'catching_up' }, mailbox }), null);
    expect(plain(waiting.value)).toBe(`not known since ${clock(30)}`);
    expect(plain(waiting.note)).toBe('7 found until then');
  });

  it('are not known yet before the first check and without a mailbox', () => {
    expect(figures({ mailbox: { reconciliation: null } })).toMatchObject({
      waiting: '0',
      missing: 'not known yet',
    });
    expect(figures({ status: { state: 'starting' }, mailbox: null })).toMatchObject({
      waiting: 'not known yet',
      missing: 'not known yet',
    });
  });
});

it('compares in one sentence what Gmail listed with what is stored', () => {
  const parts = { gmail_count: 45, pending_count: 1, failed_count: 2, missing_count: 1 };
  const text = (given: Given) => plain(describeCompleteness(overview(given), null).comparison);
  expect(text({ mailbox: { reconciliation: reconciliation(parts) } })).toBe(
    `Gmail listed 45 messages since ${clock(2_880)}: 41 stored, 1 waiting, 2 failed, 1 missing, as of ${clock(3)}.`,
  );
  expect(text({})).toContain(': 41 stored, none missing, as of ');
  expect(text({ mailbox: { reconciliation: null } })).toBe('');
});

const RETENTION = {
  days: 30,
  erased_count: 1_234,
  erased_at: minutesBefore(5),
  checked_at: minutesBefore(1),
  is_stalled: false,
  blocked: null,
  uncompleted: [],
  unpublished_count: 0,
};
const NEWEST = ['the newest received ', { as: 'ago', at: minutesBefore(10) }];

it('the number of stored emails says how many of them retention has erased, and after how many days', () => {
  expect(storedOf(overview({ status: { retention: RETENTION } }), []).note).toEqual([
    ...NEWEST,
    '; 1,234 of them erased by retention after 30 days',
  ]);
  expect(
    storedOf({ ...overview({ status: { retention: RETENTION } }), freshness: { newest_stored_at: null } }, [])
      .note,
  ).toEqual(['1,234 of them erased by retention after 30 days']);
  const none = { ...RETENTION, days: 1, erased_count: 0 };
  expect(storedOf(overview({ status: { retention: none } }), []).note).toEqual([
    ...NEWEST,
    '; none of them erased yet: retention erases emails after 1 day',
  ]);
});

it('the number of stored emails says nothing of retention while it is off', () => {
  expect(storedOf(overview(), []).note).toEqual(NEWEST);
});
