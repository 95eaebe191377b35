/**
 * The state of a mailbox and of the whole, by the precedence of `shared/schemas/state.ts`.
 * Invariant: only a mailbox whose credentials work and whose runs begin is `watching`.
 */
import type { FailingRow } from '../db/failing-messages.ts';
import type { MailboxRow } from '../db/mailbox-status.ts';
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
  /** GMAIL_PUBSUB_TOPIC is set. */
  readonly isPushConfigured: boolean;
}

export function mailboxState(facts: MailboxFacts): State {
  const { failing, isCurrent, isPushConfigured, mailbox, monitor } = facts;
  if (!isCurrent) return 'not_configured';
  if (requiresOperator(mailbox.last_error_code)) return operatorState(mailbox.last_error_code);
  if (!monitor.isRunning) return 'stopped';
  const isSilent = silentSince(facts) !== null;
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

/**
 * When the last run began, or the backoff ended, or the monitor was started, if that is three intervals ago, at least
 * five minutes; otherwise null.
 */
export function silentSince({ mailbox, monitor, pollIntervalSeconds }: MailboxFacts): Date | null {
  const times = [mailbox.last_run_at ?? mailbox.created_at];
  // A run that ends updates both columns at once: then it is not a start that did.
  if (monitor.updatedAt.getTime() !== monitor.lastPollAt?.getTime()) times.push(monitor.updatedAt);
  // A mailbox that backs off begins no run until then.
  if (mailbox.failure_count > 0 && mailbox.next_poll_at !== null) times.push(mailbox.next_poll_at);
  const latest = new Date(Math.max(...times.map((time) => time.getTime())));
  return silenceOf(latest, mailbox.now, pollIntervalSeconds);
}

function silenceOf(since: Date, now: Date, pollIntervalSeconds: number): Date | null {
  const allowedMs = Math.max(LEAST_SILENCE_MS, MISSED_INTERVALS * pollIntervalSeconds * 1_000);
  return now.getTime() - since.getTime() > allowedMs ? since : null;
}

function isWatchFailing(mailbox: MailboxRow): boolean {
  const hasExpired = mailbox.watch_expires_at !== null && mailbox.watch_expires_at < mailbox.now;
  return mailbox.watch_error_code !== null || mailbox.is_push_silent || hasExpired;
}
