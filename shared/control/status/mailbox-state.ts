/**
 * Derives the state of a mailbox, and of the first one while it is not identified, by the precedence of
 * `shared/schemas/state.ts`.
 * Invariant: a mailbox is `watching` only if its credentials work, its runs begin and end, and nothing is known to be missing.
 */

import type { MonitorStatus } from '../../db/monitor-status.ts';
import { operatorState, requiresOperator } from '../../errors.ts';
import type { State } from '../../schemas/state.ts';
import type { FailingRow, MailboxRow } from './mailbox-status.ts';

/** Poll intervals that may pass without a run, for example during a deployment or a slow start. */
const MISSED_INTERVALS = 3;
const MIN_GAP_MS = 300_000;

export interface MailboxFacts {
  readonly mailbox: MailboxRow;
  /** True when the mailbox is monitored: it belongs to the configured credentials, or an operator added it. */
  readonly isCurrent: boolean;
  readonly failing: FailingRow | null;
  readonly monitor: MonitorStatus;
  readonly pollIntervalSeconds: number;
  /** The maximum duration of a run. */
  readonly runBudgetSeconds: number;
  /** True when GMAIL_PUBSUB_TOPIC is set. */
  readonly isPushConfigured: boolean;
}

export function mailboxState(facts: MailboxFacts): State {
  const { failing, isCurrent, isPushConfigured, mailbox, monitor } = facts;
  if (!isCurrent) return 'not_configured';
  if (requiresOperator(mailbox.last_error_code)) return operatorState(mailbox.last_error_code);
  if (!monitor.isRunning || mailbox.is_paused) return 'stopped';
  const isPolling = findPollingGap(facts) === null;
  if (mailbox.failure_count > 0 && isPolling) return 'backing_off';
  if (!isPolling) return 'not_polling';
  if (failing !== null) return 'fetch_failing';
  if (isPushConfigured && isWatchFailing(facts)) return 'watch_failing';
  if (mailbox.last_success_at === null) return 'starting';
  // Until the next reconciliation confirms that the missing messages are stored.
  const isIncomplete =
    mailbox.pending_count > 0 || (mailbox.missing_count ?? 0) > 0 || incompleteSince(facts) !== null;
  return isIncomplete ? 'catching_up' : 'watching';
}

/** In these states the mailbox is polled, so the number of waiting messages is known. */
const POLLED_STATES: ReadonlySet<State> = new Set([
  'fetch_failing',
  'watch_failing',
  'catching_up',
  'watching',
]);

/** Null while the number of waiting messages is known. */
export function waitingUnknownSince(facts: MailboxFacts, state: State): Date | null {
  const { created_at, last_success_at } = facts.mailbox;
  if (!POLLED_STATES.has(state) || last_success_at === null) return last_success_at ?? created_at;
  return incompleteSince(facts);
}

/**
 * Since when a listing or the history is not read to its end, so that unknown messages may wait; null when both are. After a
 * start, and after a pause of the mailbox, the history is unread since its last run, until its next run ends.
 */
function incompleteSince(facts: MailboxFacts): Date | null {
  const { created_at, history_unlisted_since, last_success_at, listing_since } = facts.mailbox;
  const listedAt = last_success_at ?? created_at;
  const idleSince = resumptions(facts).some((time) => listedAt < time) ? listedAt : null;
  const times = [history_unlisted_since, listing_since, idleSince].filter((time) => time !== null);
  return times.length === 0 ? null : new Date(Math.min(...times.map((time) => time.getTime())));
}

/** The state while the configured credentials have no mailbox yet. */
export function stateWithoutMailbox(monitor: MonitorStatus, pollIntervalSeconds: number): State {
  if (requiresOperator(monitor.lastErrorCode)) return operatorState(monitor.lastErrorCode);
  if (!monitor.isRunning) return 'stopped';
  return isGap(monitor.updatedAt, monitor.readAt, pollIntervalSeconds) ? 'not_polling' : 'starting';
}

/** Why a mailbox is `not_polling`, and since when. */
export interface PollingGap {
  /** `no_run_ends`: runs begin, but each is killed before it records its end. */
  readonly kind: 'no_run_begins' | 'no_run_ends';
  readonly since: Date;
}

/**
 * Finds a gap. Either no run began for three intervals (at least five minutes), or none that began has ended for that time
 * plus one run budget. Time during which the monitor was off or the mailbox backed off is not counted.
 *
 * @returns null while runs begin and end
 */
export function findPollingGap(facts: MailboxFacts): PollingGap | null {
  const { mailbox, monitor, pollIntervalSeconds, runBudgetSeconds } = facts;
  const resumed = resumptions(facts);
  // No run begins before the backoff ends.
  if (mailbox.failure_count > 0 && mailbox.next_poll_at !== null) resumed.push(mailbox.next_poll_at);
  const lastRunAt = mailbox.last_run_at ?? mailbox.created_at;
  const idleSince = latest(lastRunAt, resumed);
  if (isGap(idleSince, monitor.readAt, pollIntervalSeconds))
    return { kind: 'no_run_begins', since: idleSince };
  if (mailbox.unended_run_at === null) return null;
  const unendedAt = latest(mailbox.unended_run_at, resumed);
  return isGap(unendedAt, monitor.readAt, pollIntervalSeconds, runBudgetSeconds)
    ? { kind: 'no_run_ends', since: unendedAt }
    : null;
}

/** When the monitor was started and the pause of the mailbox ended: before that, no run was to begin. */
function resumptions({ mailbox, monitor }: MailboxFacts): Date[] {
  const startedAt = hasRunSinceStart(monitor) ? null : monitor.updatedAt;
  return [startedAt, monitor.startedAt, mailbox.resumed_at].filter((time) => time !== null);
}

/** Of any mailbox. The end of a run updates both columns in one statement; a start updates only `updatedAt`. */
function hasRunSinceStart({ lastPollAt, updatedAt }: MonitorStatus): boolean {
  return updatedAt.getTime() === lastPollAt?.getTime();
}

function latest(time: Date, others: readonly Date[]): Date {
  return new Date(Math.max(time.getTime(), ...others.map((other) => other.getTime())));
}

function isGap(since: Date, now: Date, pollIntervalSeconds: number, runSeconds = 0): boolean {
  const intervalsMs = Math.max(MIN_GAP_MS, MISSED_INTERVALS * pollIntervalSeconds * 1_000);
  return now.getTime() - since.getTime() > intervalsMs + runSeconds * 1_000;
}

function isWatchFailing({ mailbox, monitor }: MailboxFacts): boolean {
  const hasExpired = mailbox.watch_expires_at !== null && mailbox.watch_expires_at < monitor.readAt;
  return mailbox.watch_error_code !== null || mailbox.is_push_silent || hasExpired;
}
