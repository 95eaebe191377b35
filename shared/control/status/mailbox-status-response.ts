/** Builds one mailbox of the response of `status` from its database rows. */
import type { Incident } from '../../db/incidents.ts';
import { hasRunOnlyRemediation, remediationFor, remediationForMessage } from '../../errors.ts';
import type { ErrorInfo } from '../../schemas/fields.ts';
import type { Failing, MailboxStatus, WatchStatus } from '../../schemas/mailbox-status.ts';
import type { State } from '../../schemas/state.ts';
import type { AdvisedMailbox } from './mailbox-advice.ts';
import type { MailboxDetails } from './mailbox-details.ts';
import { type MailboxFacts, mailboxState, waitingUnknownSince } from './mailbox-state.ts';
import type { MailboxRow } from './mailbox-status.ts';
import type { ReconciliationResults } from './reconciliation-results.ts';

/** A mailbox with what decides about its place among the others, and what advice needs to know. */
export interface MailboxSummary {
  readonly facts: MailboxFacts;
  readonly state: State;
  /** Null while the number of waiting messages is known. */
  readonly unknownSince: Date | null;
  readonly advised: AdvisedMailbox;
}

export function summarize(facts: MailboxFacts): MailboxSummary {
  const { isCurrent, mailbox } = facts;
  const state = mailboxState(facts);
  const access = accessOf(facts);
  const added = access === 'refresh_token' ? mailbox.email_address : null;
  return {
    facts,
    state,
    unknownSince: waitingUnknownSince(facts, state),
    advised: {
      email_address: mailbox.email_address,
      is_current: isCurrent,
      is_paused: mailbox.is_paused,
      access,
      last_error: withoutPromise(state, errorOf(mailbox.last_error_code, mailbox.last_error, added)),
      failing: toFailing(facts),
      watch: toWatch(mailbox, state),
      unpublished:
        mailbox.unpublished_since === null
          ? null
          : { count: mailbox.unpublished_count, oldest_since: mailbox.unpublished_since },
      reconciliation:
        mailbox.reconciled_at === null
          ? null
          : { at: mailbox.reconciled_at, missing_count: mailbox.missing_count ?? 0 },
    },
  };
}

/** What is read only for the mailboxes that are shown. */
export interface ShownDetails {
  /** Undefined until Gmail has answered for the mailbox. */
  readonly details: MailboxDetails | undefined;
  readonly incidents: readonly Incident[];
  /** Undefined before the first reconciliation. */
  readonly results: ReconciliationResults | undefined;
}

export function toMailboxStatus(
  { advised, facts, state, unknownSince }: MailboxSummary,
  { details, incidents, results }: ShownDetails,
): MailboxStatus {
  const { mailbox } = facts;
  return {
    ...advised,
    state,
    cursor_history_id: details?.cursor_history_id ?? null,
    last_run_at: mailbox.last_run_at,
    last_success_at: mailbox.last_success_at,
    next_poll_at: mailbox.next_poll_at,
    failure_count: mailbox.failure_count,
    lease_holder: details?.lease_holder ?? null,
    is_listing: mailbox.listing_since !== null,
    waiting_count: unknownSince === null ? mailbox.pending_count : null,
    unknown_since: unknownSince,
    ledger: {
      pending: mailbox.pending_count,
      stored: mailbox.stored_count,
      gone: mailbox.gone_count,
      ignored: mailbox.ignored_count,
      dead: mailbox.dead_count,
    },
    oldest_pending_at: details?.oldest_pending_at ?? null,
    last_push_at: mailbox.pushed_at,
    reconciliation: results ?? null,
    incidents: incidents.map((incident) => ({
      kind: incident.kind,
      opened_at: incident.openedAt,
      closed_at: incident.closedAt,
      detail: incident.detail,
    })),
  };
}

function accessOf({ isCurrent, mailbox }: MailboxFacts): MailboxStatus['access'] {
  if (!isCurrent) return null;
  const { access } = mailbox;
  return access === 'refresh_token' || access === 'delegation' ? access : 'environment';
}

function errorOf(
  code: string | null,
  detail: string | null,
  address: string | null = null,
): ErrorInfo | null {
  return code === null ? null : { code, detail, remediation: remediationFor(code, address) };
}

/** Without runs, no call is tried again: a remediation that says so is left out. */
function withoutPromise(state: State, error: ErrorInfo | null): ErrorInfo | null {
  if (error === null || state !== 'stopped' || !hasRunOnlyRemediation(error.code)) return error;
  return { ...error, remediation: null };
}

function toFailing({ failing }: MailboxFacts): Failing | null {
  if (failing === null) return null;
  return {
    count: failing.failing_count,
    dead_count: failing.dead_count,
    error_code: failing.error_code,
    error_detail: failing.error_detail,
    remediation: remediationForMessage(failing.error_code, failing.dead_count > 0),
    next_attempt_at: failing.next_attempt_at,
    oldest_since: failing.oldest_since,
  };
}

function toWatch(mailbox: MailboxRow, state: State): WatchStatus | null {
  if (mailbox.watch_topic === null && mailbox.watch_error_code === null) return null;
  return {
    topic: mailbox.watch_topic,
    registered_at: mailbox.watch_registered_at,
    expires_at: mailbox.watch_expires_at,
    is_silent: mailbox.is_push_silent,
    late_run_count: mailbox.late_run_count,
    late_since: mailbox.late_since,
    error: withoutPromise(
      state,
      errorOf(mailbox.watch_error_code, mailbox.watch_error) ?? silentPushError(mailbox),
    ),
  };
}

function silentPushError(mailbox: MailboxRow): ErrorInfo | null {
  if (!mailbox.is_push_silent) return null;
  const last =
    mailbox.pushed_at === null ? 'has arrived' : `has arrived since ${mailbox.pushed_at.toISOString()}`;
  return errorOf('push_silent', `Gmail publishes to ${mailbox.watch_topic}, but no push ${last}.`);
}
