/** The order of mailboxes, the state of the monitor, and the totals, from the summaries of the mailboxes. */
import type { State } from '../../schemas/state.ts';
import type { Totals } from '../../schemas/status.ts';
import type { MailboxSummary } from './mailbox-status-response.ts';

/** As `shared/schemas/state.ts` orders them, which the functions do not load; a test compares the two. */
const RANKS: Readonly<Record<State, number>> = {
  not_configured: 0,
  reauth_required: 1,
  access_denied: 2,
  stopped: 3,
  backing_off: 4,
  not_polling: 5,
  fetch_failing: 6,
  watch_failing: 7,
  starting: 8,
  catching_up: 9,
  watching: 10,
};
export const STATE_ORDER = Object.keys(RANKS) as readonly State[];

/** Their order does not change with each run. */
const WITHOUT_PROBLEM: ReadonlySet<State> = new Set(['catching_up', 'watching']);

/** Monitored mailboxes by state, then by the oldest problem; after them the paused ones; at last those not monitored. */
export function byUrgency(a: MailboxSummary, b: MailboxSummary): number {
  return (
    groupOf(a) - groupOf(b) ||
    RANKS[a.state] - RANKS[b.state] ||
    problemSince(a) - problemSince(b) ||
    idOf(a) - idOf(b) ||
    (a.advised.email_address < b.advised.email_address ? -1 : 1)
  );
}

function groupOf({ facts }: MailboxSummary): number {
  if (!facts.isCurrent) return 2;
  return facts.mailbox.is_paused ? 1 : 0;
}

/** Unix time in milliseconds; 0 without a problem. */
function problemSince({ facts, state }: MailboxSummary): number {
  if (WITHOUT_PROBLEM.has(state)) return 0;
  const { failing, mailbox } = facts;
  if (state === 'fetch_failing' && failing !== null) return failing.oldest_since.getTime();
  return (mailbox.last_success_at ?? mailbox.created_at).getTime();
}

/** Mailboxes that Gmail has not answered for yet are the newest. */
function idOf({ facts }: MailboxSummary): number {
  return facts.mailbox.id ?? Number.MAX_SAFE_INTEGER;
}

/**
 * The worst state of the monitored mailboxes that are not paused; of all monitored ones when all are paused.
 *
 * @param firstState of the first mailbox while it is not identified; null: it is one of the mailboxes, or there is none
 */
export function worstState(mailboxes: readonly MailboxSummary[], firstState: State | null): State {
  const monitored = mailboxes.filter(({ facts }) => facts.isCurrent);
  const active = new Set(monitored.filter(({ facts }) => !facts.mailbox.is_paused).map(({ state }) => state));
  if (firstState !== null) active.add(firstState);
  const states = active.size > 0 ? active : new Set(monitored.map(({ state }) => state));
  return STATE_ORDER.find((state) => states.has(state)) ?? 'not_configured';
}

/** @param firstState as for `worstState` */
export function totalsOf(mailboxes: readonly MailboxSummary[], firstState: State | null): Totals {
  const monitored = mailboxes.filter(({ facts }) => facts.isCurrent);
  const sum = (countOf: (one: MailboxSummary) => number) =>
    monitored.reduce((total, one) => total + countOf(one), 0);
  const firstCount = firstState === null ? 0 : 1;
  const pending = sum(({ facts }) => facts.mailbox.pending_count);
  const unknown = monitored.flatMap(({ unknownSince }) =>
    unknownSince === null ? [] : [unknownSince.getTime()],
  );
  const unknownCount = unknown.length + firstCount;
  const unreconciled = monitored.filter(({ facts }) => facts.mailbox.reconciled_at === null);
  const mailboxCount = monitored.length + firstCount;
  return {
    pending,
    stored: sum(({ facts }) => facts.mailbox.stored_count),
    gone: sum(({ facts }) => facts.mailbox.gone_count),
    ignored: sum(({ facts }) => facts.mailbox.ignored_count),
    dead: sum(({ facts }) => facts.mailbox.dead_count),
    failing: sum(({ facts }) => facts.failing?.failing_count ?? 0),
    missing:
      unreconciled.length === monitored.length ? null : sum(({ facts }) => facts.mailbox.missing_count ?? 0),
    unreconciled_count: unreconciled.length + firstCount,
    unreconciled_paused_count: unreconciled.filter(({ facts }) => facts.mailbox.is_paused).length,
    waiting_count: unknownCount === 0 && mailboxCount > 0 ? pending : null,
    unknown_count: unknownCount,
    unknown_since: unknown.length === 0 ? null : new Date(unknown.reduce((a, b) => Math.min(a, b))),
    states: countStates(monitored, firstState),
    paused_count: monitored.filter(({ facts }) => facts.mailbox.is_paused).length,
  };
}

function countStates(monitored: readonly MailboxSummary[], firstState: State | null): Totals['states'] {
  const active = monitored.filter(({ facts }) => !facts.mailbox.is_paused).map(({ state }) => state);
  const all = firstState === null ? active : [...active, firstState];
  const counts = STATE_ORDER.map((state) => [state, all.filter((one) => one === state).length] as const);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}
