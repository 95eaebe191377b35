/**
 * The state of a mailbox and of the whole, by the precedence of `shared/schemas/state.ts`.
 * Invariant: only a mailbox whose credentials work and whose runs begin and end is `watching`.
 */
import type { FailingRow, MailboxRow } from '../db/mailbox-status.ts';
import type { MonitorStatus } from '../db/monitor-status.ts';
import { operatorState, requiresOperator } from '../errors.ts';
import type { State } from '../schemas/state.ts';

/** Intervals that may pass without a run: a deployment, a slow start. */
const MISSED_INTERVALS = 3;
const LEAST_SILENCE_MS = 300_000;

export interface MailboxFacts {
  readonly mailbox: MailboxRow;
  /** The configured credentials reach it. */
  readonly isCurrent: boolean;
  readonly failing: FailingRow | null;
  readonly monitor: MonitorStatus;
  readonly pollIntervalSeconds: number;
  /** The longest time that a run takes. */
  readonly runBudgetSeconds: number;
  /** GMAIL_PUBSUB_TOPIC is set. */
  readonly isPushConfigured: boolean;
}

export function mailboxState(facts: MailboxFacts): State {
  const { failing, isCurrent, isPushConfigured, mailbox, monitor } = facts;
  if (!isCurrent) return 'not_configured';
  if (requiresOperator(mailbox.last_error_code)) return operatorState(mailbox.last_error_code);
  if (!monitor.isRunning) return 'stopped';
  const isSilent = findSilence(facts) !== null;
  if (mailbox.failure_count > 0 && !isSilent) return 'backing_off';
  if (isSilent) return 'not_polling';
  if (failing !== null) return 'fetch_failing';
  if (isPushConfigured && isWatchFailing(mailbox)) return 'watch_failing';
  if (mailbox.last_success_at === null) return 'starting';
  return mailbox.pending_count > 0 || incompleteSince(mailbox) !== null ? 'catching_up' : 'watching';
}

/** Since when a listing or the history is not read to its end, so that more may wait than is known; null when both are. */
export function incompleteSince({ history_unlisted_since, listing_since }: MailboxRow): Date | null {
  const times = [history_unlisted_since, listing_since].filter((time) => time !== null);
  return times.length === 0 ? null : new Date(Math.min(...times.map((time) => time.getTime())));
}

/** The state while no mailbox is known to the configured credentials. */
export function stateWithoutMailbox(monitor: MonitorStatus, pollIntervalSeconds: number): State {
  // The credentials may be new and have reached no mailbox yet.
  if (requiresOperator(monitor.lastErrorCode)) return operatorState(monitor.lastErrorCode);
  if (!monitor.isRunning) return 'stopped';
  return silenceOf(monitor.updatedAt, monitor.readAt, pollIntervalSeconds) === null
    ? 'starting'
    : 'not_polling';
}

/** Why a mailbox is `not_polling`. */
export interface Silence {
  /** `no_run_ends`: runs begin, and each is killed before it can record its end. */
  readonly kind: 'no_run_begins' | 'no_run_ends';
  readonly since: Date;
}

/**
 * No run began for three intervals, at least five minutes; or none that began ended for that time and one run budget. The
 * time while the monitor was off, or the mailbox backed off, is not counted.
 */
export function findSilence(facts: MailboxFacts): Silence | null {
  const { mailbox, monitor, pollIntervalSeconds, runBudgetSeconds } = facts;
  const resumed: Date[] = [];
  // A run that ends updates both columns at once: then it is not a start that did.
  if (monitor.updatedAt.getTime() !== monitor.lastPollAt?.getTime()) resumed.push(monitor.updatedAt);
  // A mailbox that backs off begins no run until then.
  if (mailbox.failure_count > 0 && mailbox.next_poll_at !== null) resumed.push(mailbox.next_poll_at);
  const lastRunAt = mailbox.last_run_at ?? mailbox.created_at;
  const begin = silenceOf(latest(lastRunAt, resumed), mailbox.now, pollIntervalSeconds);
  if (begin !== null) return { kind: 'no_run_begins', since: begin };
  if (mailbox.unended_run_at === null) return null;
  const unendedAt = latest(mailbox.unended_run_at, resumed);
  const end = silenceOf(unendedAt, mailbox.now, pollIntervalSeconds, runBudgetSeconds);
  return end === null ? null : { kind: 'no_run_ends', since: end };
}

function latest(time: Date, others: readonly Date[]): Date {
  return new Date(Math.max(time.getTime(), ...others.map((other) => other.getTime())));
}

function silenceOf(since: Date, now: Date, pollIntervalSeconds: number, runSeconds = 0): Date | null {
  const intervalsMs = Math.max(LEAST_SILENCE_MS, MISSED_INTERVALS * pollIntervalSeconds * 1_000);
  return now.getTime() - since.getTime() > intervalsMs + runSeconds * 1_000 ? since : null;
}

function isWatchFailing(mailbox: MailboxRow): boolean {
  const hasExpired = mailbox.watch_expires_at !== null && mailbox.watch_expires_at < mailbox.now;
  return mailbox.watch_error_code !== null || mailbox.is_push_silent || hasExpired;
}
