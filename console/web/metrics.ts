/** The figures under the state: how fresh, how complete, what waits, what it costs. */
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { byId, type Child, element, fill } from './element.ts';
import { pluralize, formatNumber } from './format-number.ts';
import { currentMailbox } from './describe-state.ts';
import { ageElement, elapsedElement, timeElement } from './times.ts';

let shown = '';

export function showMetrics(overview: OverviewJson): void {
  // What ticks, ticks by itself.
  const text = JSON.stringify({ ...overview, now: '' });
  if (text === shown) return;
  shown = text;
  showFreshness(overview);
  showReconciliation(overview);
  showBacklog(overview);
  showQuota(overview);
}

function showFreshness({ freshness }: OverviewJson): void {
  const { newest_reconciled_at: reconciled, newest_stored_at: stored } = freshness;
  show('fresh', reconciled === null ? '–' : elapsedElement(reconciled), [
    reconciled === null
      ? 'Nothing is reconciled yet.'
      : 'is the age of the newest mail up to which nothing is missing.',
    ...(stored === null ? [] : [' Newest stored ', ageElement(stored), '.']),
  ]);
}

function showReconciliation(overview: OverviewJson): void {
  const result = currentMailbox(overview)?.reconciliation ?? null;
  byId('reconciliation').classList.toggle(
    'is-bad',
    (result?.missing_count ?? 0) + (result?.failed_count ?? 0) > 0,
  );
  if (result === null) {
    show('reconciliation', '–', ['missing. The first comparison with Gmail is still to come.']);
    return;
  }
  const parts = (['stored', 'pending', 'failed', 'ignored', 'gone'] as const)
    .filter((part) => part === 'stored' || result[`${part}_count`] > 0)
    .map((part) => `${formatNumber(result[`${part}_count`])} ${part}`);
  show('reconciliation', formatNumber(result.missing_count), [
    `missing. Gmail listed ${pluralize(result.gmail_count, 'message')} since `,
    timeElement(result.since),
    `: ${parts.join(', ')}. Compared `,
    ageElement(result.at),
    '.',
  ]);
}

function showBacklog(overview: OverviewJson): void {
  const mailbox = currentMailbox(overview);
  const oldest = mailbox?.oldest_pending_at ?? null;
  const waiting = mailbox?.waiting_count ?? null;
  const found = mailbox?.ledger.pending ?? 0;
  const unknownSince = mailbox?.unknown_since ?? null;
  byId('waiting').classList.toggle('is-busy', found > 0);
  // What is not known is not zero.
  show('waiting', waiting === null ? '–' : formatNumber(waiting), [
    'waiting to be fetched.',
    ...(waiting !== null
      ? []
      : [' Unknown', ...(unknownSince === null ? [] : [' since ', timeElement(unknownSince)]), '.']),
    ...(waiting !== null || found === 0 ? [] : [` ${formatNumber(found)} found so far.`]),
    ...(oldest === null ? [] : [' The oldest since ', elapsedElement(oldest), '.']),
    ...(mailbox === null ? [] : [` ${formatNumber(mailbox.ledger.stored)} stored in all.`]),
  ]);
  byId('dead').classList.toggle('is-bad', overview.dead_count > 0);
  show('dead', formatNumber(overview.dead_count), [
    overview.dead_count === 0 ? 'dead.' : 'dead after every attempt failed: see below.',
  ]);
}

function showQuota({ quota }: OverviewJson): void {
  const { minute_limit: limit, minute_used: used, today_used: today } = quota;
  if (used === null) {
    show('quota', '–', [`of the Gmail quota of ${formatNumber(limit)} units per minute: not used yet.`]);
    return;
  }
  const share = limit === 0 ? 0 : Math.min(1, used / limit);
  const meter = element('meter', {
    min: 0,
    max: 1,
    value: share.toFixed(3),
    high: 0.9,
    'aria-label': 'Share of the Gmail quota used in the last minute',
  });
  show('quota', `${Math.round(share * 100)} %`, [
    `of the Gmail quota: ${formatNumber(used)} of ${formatNumber(limit)} units are spent and not refilled. Today's runs took ${formatNumber(today)}.`,
    meter,
  ]);
}

function show(id: string, value: Child, explained: readonly Child[]): void {
  const box = byId(id);
  fill(box, element('dt', {}, value), element('dd', {}, ...explained));
}
