/**
 * The state and the figures of several mailboxes, as sentences. With one mailbox, `describe-state.ts` and `completeness.ts` alone
 * describe it.
 * Invariant: what is not known for a mailbox is never shown as fine.
 */
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import type { State } from '../../shared/schemas/state.ts';
import type { StatusJson } from '../../shared/schemas/status.ts';
import type { Completeness, Figure } from './figure.ts';
import { formatNumber, pluralize } from './format-number.ts';

export function hasSeveral({ status }: OverviewJson): boolean {
  return status.mailbox_count > 1;
}

/** After a number of mailboxes: one, several. */
const VERBS: Readonly<Record<State, readonly [string, string]>> = {
  not_configured: ['is not set up', 'are not set up'],
  reauth_required: ['is locked out', 'are locked out'],
  access_denied: ['is locked out', 'are locked out'],
  stopped: ['is stopped', 'are stopped'],
  backing_off: ['is failing', 'are failing'],
  not_polling: ['is not polled', 'are not polled'],
  fetch_failing: ['cannot fetch some mail', 'cannot fetch some mail'],
  watch_failing: ['gets no push', 'get no push'],
  starting: ['is starting', 'are starting'],
  catching_up: ['is catching up', 'are catching up'],
  watching: ['is up to date', 'are up to date'],
};

const LOCKED_OUT: readonly State[] = ['reauth_required', 'access_denied'];

export function isLockedOut(state: State): boolean {
  return LOCKED_OUT.includes(state);
}

/** Monitored mailboxes that are not paused. */
export function lockedOutCount({ status }: OverviewJson): number {
  return countOf(LOCKED_OUT, status.totals);
}

function countOf(states: readonly State[], { states: counts }: Totals): number {
  return states.reduce((sum, one) => sum + (counts[one] ?? 0), 0);
}

/** Mailboxes that were never compared with Gmail, without the paused ones, which are called paused. */
export function uncheckedCount({ status: { totals } }: OverviewJson): number {
  return totals.unreconciled_count - totals.unreconciled_paused_count;
}

/** "2 of 40 mailboxes are locked out" */
export function headline(overview: OverviewJson, state: State | 'unchecked'): string {
  const { status } = overview;
  const { mailbox_count: all, totals } = status;
  if (state === 'watching') return `Watching ${mailboxes(all - totals.paused_count)}`;
  if (state === 'stopped' && !status.is_running) return 'Stopped';
  // One of them may be locked out too.
  if (totals.paused_count === all) return 'All mailboxes are paused';
  if (state === 'unchecked') {
    const count = uncheckedCount(overview);
    return `${formatNumber(count)} of ${mailboxes(all)} ${count === 1 ? 'is' : 'are'} not checked yet`;
  }
  const count = countOf(isLockedOut(state) ? LOCKED_OUT : [state], totals);
  // Dead messages of a mailbox that is not monitored.
  if (state === 'fetch_failing' && count === 0) return 'Some mail cannot be fetched';
  return `${formatNumber(count)} of ${mailboxes(all)} ${VERBS[state][count === 1 ? 0 : 1]}`;
}

/** "Of 40 mailboxes, 2 are locked out, 37 are up to date, 1 is paused." */
export function stateSummary(overview: OverviewJson): string {
  const { mailbox_count: all, totals } = overview.status;
  const { paused_count: paused, states } = totals;
  const unchecked = uncheckedCount(overview);
  // The counts do not say in which state the mailboxes are that were never compared with Gmail.
  const isUnknown = unchecked > 0 && (states.watching ?? 0) > 0;
  const verbs = isUnknown ? { ...VERBS, watching: ['has nothing waiting', 'have nothing waiting'] } : VERBS;
  const parts = (Object.keys(VERBS) as State[]).flatMap((state) => {
    const count = states[state] ?? 0;
    return count === 0 ? [] : [`${formatNumber(count)} ${verbs[state][count === 1 ? 0 : 1]}`];
  });
  if (paused > 0) parts.push(`${formatNumber(paused)} ${paused === 1 ? 'is' : 'are'} paused`);
  const unknown = `Whether mail is missing is not known yet for ${formatNumber(unchecked)} of them.`;
  return `Of ${mailboxes(all)}, ${parts.join(', ')}.${isUnknown ? ` ${unknown}` : ''}`;
}

/** Whether all mail is stored, over all mailboxes. The dead messages are described as for one. */
export function describeSeveral(
  { status }: OverviewJson,
  lostSince: string | null,
): Omit<Completeness, 'dead'> {
  const { mailbox_count: all, totals } = status;
  const unknown: Figure | null =
    lostSince === null ? null : { value: ['not known since ', { as: 'clock', at: lostSince }], note: [] };
  return {
    sentence: [lostSince === null ? sentenceOf(all, totals) : 'Whether all mail is stored is not known.'],
    comparison: [],
    waiting: unknown ?? waitingOf(all, totals),
    missing: unknown ?? missingOf(all, totals),
  };
}

type Totals = StatusJson['totals'];

function sentenceOf(all: number, totals: Totals): string {
  const { missing, pending, failing, unknown_count: unknown, unreconciled_count: unchecked } = totals;
  const parts: string[] = [];
  if (unknown > 0)
    parts.push(`Whether all mail is stored is not known for ${formatNumber(unknown)} of ${mailboxes(all)}.`);
  if (unchecked > 0)
    parts.push(
      `${mailboxes(unchecked)} ${unchecked === 1 ? 'has' : 'have'} never been compared with Gmail’s own list.`,
    );
  if (missing !== null && missing > 0)
    parts.push(`${pluralize(missing, 'message')} missing at the last checks; being fetched.`);
  if (failing > 0) parts.push(`${pluralize(failing, 'message')} cannot be fetched.`);
  if (pending > 0) parts.push(`${pluralize(pending, 'message')} found and not stored yet.`);
  return parts.length === 0 ? 'The last check of each mailbox found all its mail stored.' : parts.join(' ');
}

function waitingOf(all: number, { pending, unknown_count: unknown, waiting_count: count }: Totals): Figure {
  if (count === null)
    return {
      value: ['not known'],
      note: [`for ${formatNumber(unknown)} of ${mailboxes(all)}; ${formatNumber(pending)} found in all`],
    };
  return { value: [formatNumber(count)], note: [], ...(count > 0 && { tone: 'active' as const }) };
}

function missingOf(all: number, totals: Totals): Figure {
  const unknown = Math.max(totals.unknown_count, totals.unreconciled_count);
  if (totals.missing !== null && totals.missing > 0)
    return { value: [formatNumber(totals.missing)], note: ['at the last checks'], tone: 'critical' };
  if (totals.missing === null || unknown > 0)
    return {
      value: ['not known'],
      note: [
        `for ${formatNumber(unknown)} of ${mailboxes(all)}${unknown < all ? '; none in the others' : ''}`,
      ],
    };
  return { value: ['0'], note: ['at the last check of each mailbox'] };
}

export function mailboxes(count: number): string {
  return count === 1 ? '1 mailbox' : `${formatNumber(count)} mailboxes`;
}
