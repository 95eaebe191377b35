/**
 * What is known about the completeness of the stored email, as sentences.
 * Invariant: what is not known is shown as not known since when, never as 0 and never as an old value without its time.
 */
import type { MailboxStatusJson } from '../../shared/schemas/mailbox-status.ts';
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { currentMailbox } from './describe-state.ts';
import type { Completeness, Figure, Text, TimePart } from './figure.ts';
import { formatNumber, pluralize } from './format-number.ts';
import { describeSeveral, hasSeveral } from './several-mailboxes.ts';

/** Why the figures are not known, in the states in which the mailbox is not polled. */
const NOT_POLLED: Readonly<Record<string, string>> = {
  not_configured: 'there are no Gmail credentials',
  reauth_required: 'Gmail rejects the credentials',
  access_denied: 'Gmail denies access',
  stopped: 'the monitor is stopped',
  backing_off: 'runs fail',
  not_polling: 'no run takes place',
};

/** Since when the figures are not known; null: they are known. */
interface Unknown {
  /** Null: never known. */
  readonly since: string | null;
  readonly because: string;
}

/** @param lostSince server time of the last answer while there is no newer one; null while the data is current */
export function describeCompleteness(overview: OverviewJson, lostSince: string | null): Completeness {
  if (hasSeveral(overview))
    return { ...describeSeveral(overview, lostSince), dead: deadOf(overview, lostSince) };
  const mailbox = currentMailbox(overview);
  const unknown = findUnknown(overview, mailbox, lostSince);
  return {
    sentence: sentenceOf(mailbox, unknown, overview.status.mailboxes.length > 0),
    comparison: comparisonOf(mailbox),
    waiting: waitingOf(mailbox, unknown),
    missing: missingOf(mailbox, unknown),
    dead: deadOf(overview, lostSince),
  };
}

function findUnknown(
  { status }: OverviewJson,
  mailbox: MailboxStatusJson | null,
  lostSince: string | null,
): Unknown | null {
  const since = mailbox?.unknown_since ?? null;
  const isPaused = status.state === 'stopped' && status.is_running && mailbox?.is_paused;
  const because = isPaused ? 'the mailbox is paused' : NOT_POLLED[status.state];
  if (because !== undefined) return { since, because };
  if (mailbox === null) return { since: null, because: 'no run has reached the mailbox yet' };
  if (lostSince === null) return null;
  return { since: since ?? lostSince, because: 'the console does not answer' };
}

/** @param isAnyKnown true without a current mailbox: the credentials may belong to one that was checked */
function sentenceOf(mailbox: MailboxStatusJson | null, unknown: Unknown | null, isAnyKnown: boolean): Text {
  const last = mailbox?.reconciliation ?? null;
  if (unknown !== null) {
    const parts: Text = [
      'Whether all mail is stored is ',
      ...unknownFigure(unknown.since).value,
      `, because ${unknown.because}.`,
    ];
    if (mailbox === null && isAnyKnown) return parts;
    if (mailbox === null || last === null)
      return [...parts, ' It has never been checked against Gmail’s own list.'];
    if (last.missing_count > 0)
      return [
        ...parts,
        ` ${pluralize(last.missing_count, 'message')} missing at the last check, at `,
        clock(last.at),
        '.',
      ];
    return [
      ...parts,
      ' All mail up to ',
      clock(last.up_to),
      ` was stored${exceptions(mailbox)}, as checked at `,
      clock(last.at),
      '.',
    ];
  }
  if (mailbox === null || last === null)
    return [
      'Whether all mail is stored is not known yet. The first check against Gmail’s own list follows the first listing.',
    ];
  const checked: Text = [' (checked ', ago(last.at), ').'];
  if (last.missing_count > 0) {
    const verb = last.missing_count === 1 ? 'message was missing; it is' : 'messages were missing; they are';
    return [
      `${formatNumber(last.missing_count)} ${verb} being fetched. All other mail up to `,
      clock(last.up_to),
      ` is stored${exceptions(mailbox)}`,
      ...checked,
    ];
  }
  return ['All mail up to ', clock(last.up_to), ` is stored${exceptions(mailbox)}`, ...checked];
}

/** `, except 2 messages that cannot be fetched and 3 that are waiting`; empty when all are stored. */
function exceptions({
  failing,
  ledger,
  oldest_pending_at: oldestAt,
  reconciliation,
}: MailboxStatusJson): string {
  const failingDead = failing?.dead_count ?? 0;
  const failingCount = failing?.count ?? 0;
  // Messages that were found after the check are newer than what it covers.
  const isCovered = oldestAt !== null && reconciliation !== null && oldestAt <= reconciliation.at;
  const counts = [
    { count: failingCount, what: 'cannot be fetched' },
    {
      count: isCovered ? ledger.pending - (failingCount - failingDead) : 0,
      what: 'are waiting',
      one: 'is waiting',
    },
    { count: ledger.dead - failingDead, what: 'were given up', one: 'was given up' },
  ].filter(({ count }) => count > 0);
  if (counts.length === 0) return '';
  const texts = counts.map(({ count, one, what }, at) => {
    const noun = at === 0 ? pluralize(count, 'message') : formatNumber(count);
    return `${noun} that ${count === 1 ? (one ?? what) : what}`;
  });
  const last = texts.pop() ?? '';
  return `, except ${texts.length === 0 ? last : `${texts.join(', ')} and ${last}`}`;
}

const PARTS = [
  ['stored_count', 'stored'],
  ['pending_count', 'waiting'],
  ['failed_count', 'failed'],
  ['ignored_count', 'ignored by a rule'],
  ['gone_count', 'no longer in Gmail'],
  ['missing_count', 'missing'],
] as const;

function comparisonOf(mailbox: MailboxStatusJson | null): Text {
  const last = mailbox?.reconciliation ?? null;
  // The sentence says so.
  if (last === null) return [];
  const parts = PARTS.filter(([name]) => name === 'stored_count' || last[name] > 0).map(
    ([name, label]) => `${formatNumber(last[name])} ${label}`,
  );
  const none = last.missing_count === 0 ? ', none missing' : '';
  return [
    `Gmail listed ${pluralize(last.gmail_count, 'message')} since `,
    clock(last.since),
    `: ${parts.join(', ')}${none}, as of `,
    clock(last.at),
    '.',
  ];
}

function waitingOf(mailbox: MailboxStatusJson | null, unknown: Unknown | null): Figure {
  const count = unknown === null ? (mailbox?.waiting_count ?? null) : null;
  const since = unknown === null ? (mailbox?.unknown_since ?? null) : unknown.since;
  const found = mailbox?.ledger.pending ?? 0;
  if (count === null)
    return { ...unknownFigure(since), note: found === 0 ? [] : [`${formatNumber(found)} found until then`] };
  const oldestAt = mailbox?.oldest_pending_at ?? null;
  return {
    value: [formatNumber(count)],
    note: oldestAt === null ? [] : ['the oldest since ', clock(oldestAt)],
    ...(count > 0 && { tone: 'active' as const }),
  };
}

function missingOf(mailbox: MailboxStatusJson | null, unknown: Unknown | null): Figure {
  const last = mailbox?.reconciliation ?? null;
  if (last === null) return unknownFigure(null);
  if (unknown !== null) return unknownFigure(unknown.since);
  return {
    value: [formatNumber(last.missing_count)],
    note: ['checked ', ago(last.at)],
    ...(last.missing_count > 0 && { tone: 'critical' as const }),
  };
}

function deadOf({ dead_count: count }: OverviewJson, lostSince: string | null): Figure {
  if (lostSince !== null) return unknownFigure(lostSince);
  return {
    value: [formatNumber(count)],
    note: count === 0 ? [] : ['listed below'],
    ...(count > 0 && { tone: 'critical' as const }),
  };
}

function unknownFigure(since: string | null): Figure {
  return { value: since === null ? ['not known yet'] : ['not known since ', clock(since)], note: [] };
}

function clock(at: string): TimePart {
  return { as: 'clock', at };
}

function ago(at: string): TimePart {
  return { as: 'ago', at };
}

/** All stored emails. @param old what to add while the data is not current */
export function storedOf(overview: OverviewJson, old: Text): Figure {
  const newestAt = overview.freshness.newest_stored_at;
  const newest: Text = newestAt === null ? [] : ['the newest received ', { as: 'ago', at: newestAt }];
  const count = hasSeveral(overview)
    ? overview.status.totals.stored
    : (currentMailbox(overview)?.ledger.stored ?? null);
  return {
    value: [count === null ? 'not known yet' : formatNumber(count)],
    note: [...newest, ...erasedOf(overview, newest.length > 0), ...old],
  };
}

/** Stored emails include erased ones. */
function erasedOf({ status: { retention } }: OverviewJson, isContinued: boolean): Text {
  if (!retention) return [];
  const { days, erased_count: count } = retention;
  const after = `after ${pluralize(days, 'day')}`;
  const text =
    count === 0
      ? `none of them erased yet: retention erases emails ${after}`
      : `${formatNumber(count)} of them erased by retention ${after}`;
  return [`${isContinued ? '; ' : ''}${text}`];
}
