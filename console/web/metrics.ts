/** The metrics below the state: freshness, completeness, backlog and quota. */
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { currentMailbox } from './describe-state.ts';
import { byId, type Child, element, fill } from './element.ts';
import { formatNumber, pluralize } from './format-number.ts';
import { ageElement, elapsedElement, timeElement } from './times.ts';

/** Labels of the parts of a reconciliation; each part has a field `PART_count`. */
const PART_LABELS = {
  stored: 'stored',
  pending: 'waiting',
  failed: 'dead',
  ignored: 'ignored by a rule',
  gone: 'no longer in Gmail',
} as const;
const PARTS = ['stored', 'pending', 'failed', 'ignored', 'gone'] as const;

let shown = '';

export function showMetrics(overview: OverviewJson): void {
  // Without `now`: the displayed ages update on their own.
  const json = JSON.stringify({ ...overview, now: '' });
  if (json === shown) return;
  shown = json;
  showFreshness(overview);
  showReconciliation(overview);
  showBacklog(overview);
  showQuota(overview);
}

function showFreshness(overview: OverviewJson): void {
  const { newest_reconciled_at: reconciledAt, newest_stored_at: storedAt } = overview.freshness;
  const none =
    currentMailbox(overview) === null
      ? 'since the newest verified email: unknown until the first run reaches the mailbox.'
      : 'No email is verified against Gmail yet.';
  show('reconciled-age', reconciledAt === null ? '–' : elapsedElement(reconciledAt), [
    reconciledAt === null ? none : 'since the newest verified email. No email up to it is missing.',
    ...(storedAt === null ? [] : [' Newest stored email: ', ageElement(storedAt), '.']),
  ]);
}

function showReconciliation(overview: OverviewJson): void {
  const result = currentMailbox(overview)?.reconciliation ?? null;
  byId('reconciliation').classList.toggle(
    'is-critical',
    (result?.missing_count ?? 0) + (result?.failed_count ?? 0) > 0,
  );
  if (result === null) {
    show('reconciliation', '–', ['missing: unknown until the first reconciliation with Gmail finishes.']);
    return;
  }
  const parts = PARTS.filter((part) => part === 'stored' || result[`${part}_count`] > 0).map(
    (part) => `${formatNumber(result[`${part}_count`])} ${PART_LABELS[part]}`,
  );
  show('reconciliation', formatNumber(result.missing_count), [
    `missing. Gmail listed ${pluralize(result.gmail_count, 'message')} since `,
    timeElement(result.since),
    `: ${parts.join(', ')}. Reconciled `,
    ageElement(result.at),
    '.',
  ]);
}

function showBacklog(overview: OverviewJson): void {
  const mailbox = currentMailbox(overview);
  const oldestAt = mailbox?.oldest_pending_at ?? null;
  const waitingCount = mailbox?.waiting_count ?? null;
  const pendingCount = mailbox?.ledger.pending ?? 0;
  const unknownSince = mailbox?.unknown_since ?? null;
  byId('waiting').classList.toggle('is-active', pendingCount > 0);
  // An unknown count is shown as a dash, never as zero.
  show('waiting', waitingCount === null ? '–' : formatNumber(waitingCount), [
    'waiting to be fetched.',
    ...(waitingCount !== null
      ? []
      : [' Unknown', ...(unknownSince === null ? [] : [' since ', timeElement(unknownSince)]), '.']),
    ...(waitingCount !== null || pendingCount === 0 ? [] : [` ${formatNumber(pendingCount)} found so far.`]),
    ...(oldestAt === null ? [] : [' Longest wait: ', elapsedElement(oldestAt), '.']),
    ...(mailbox === null ? [] : [` ${formatNumber(mailbox.ledger.stored)} stored in total.`]),
  ]);
  const deadCount = overview.dead_count;
  byId('dead').classList.toggle('is-critical', deadCount > 0);
  show('dead', formatNumber(deadCount), [
    deadCount === 0 ? 'dead messages.' : `dead ${deadCount === 1 ? 'message' : 'messages'}, listed below.`,
  ]);
}

function showQuota({ quota }: OverviewJson): void {
  const { minute_limit: limit, minute_used: used, today_used: today } = quota;
  if (used === null) {
    show('quota', '–', [`of the Gmail quota of ${formatNumber(limit)} units per minute. Not used yet.`]);
    return;
  }
  const share = limit === 0 ? 0 : Math.min(1, used / limit);
  const meter = element('meter', {
    min: 0,
    max: 1,
    value: share.toFixed(3),
    high: 0.9,
    'aria-label': 'Share of the Gmail quota in use',
  });
  show('quota', `${Math.round(share * 100)} %`, [
    `of the Gmail quota in use: ${formatNumber(used)} of ${formatNumber(limit)} units per minute. Used today (UTC): ${pluralize(today, 'unit')}.`,
    meter,
  ]);
}

function show(id: string, value: Child, description: readonly Child[]): void {
  fill(byId(id), element('dt', {}, value), element('dd', {}, ...description));
}
