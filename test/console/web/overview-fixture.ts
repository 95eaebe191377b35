/** An overview of a mailbox that is watched and complete, for tests of what the page says about it. */
import type { MailboxStatusJson } from '../../../shared/schemas/mailbox-status.ts';
import type { OverviewJson } from '../../../shared/schemas/overview.ts';
import type { StatusJson } from '../../../shared/schemas/status.ts';

export const NOW = '2026-11-23T09:00:00.000Z';

export function minutesBefore(minutes: number): string {
  return new Date(Date.parse(NOW) - minutes * 60_000).toISOString();
}

export type ReconciliationJson = NonNullable<MailboxStatusJson['reconciliation']>;

/** Began 5 minutes ago, and ended 3 minutes ago. */
export function reconciliation(more: Partial<ReconciliationJson> = {}): ReconciliationJson {
  return {
    at: minutesBefore(3),
    up_to: minutesBefore(5),
    since: minutesBefore(2 * 1_440),
    gmail_count: 41,
    stored_count: 41,
    pending_count: 0,
    failed_count: 0,
    ignored_count: 0,
    gone_count: 0,
    missing_count: 0,
    full: null,
    ...more,
  };
}

export function failing(count: number, deadCount = 0): NonNullable<MailboxStatusJson['failing']> {
  return {
    count,
    dead_count: deadCount,
    error_code: 'gmail_unavailable',
    error_detail: 'users.messages.get: 503',
    remediation: 'Wait.',
    next_attempt_at: null,
    oldest_since: minutesBefore(60),
  };
}

export function mailbox(more: Partial<MailboxStatusJson> = {}): MailboxStatusJson {
  return {
    email_address: 'orders@example.com',
    is_current: true,
    is_paused: false,
    access: 'environment',
    state: 'watching',
    cursor_history_id: '1',
    last_run_at: minutesBefore(1),
    last_success_at: minutesBefore(1),
    next_poll_at: null,
    failure_count: 0,
    last_error: null,
    lease_holder: null,
    is_listing: false,
    waiting_count: 0,
    unknown_since: null,
    ledger: { pending: 0, stored: 41, gone: 0, ignored: 0, dead: 0 },
    oldest_pending_at: null,
    failing: null,
    last_push_at: null,
    watch: null,
    unpublished: null,
    reconciliation: reconciliation(),
    incidents: [],
    ...more,
  };
}

export function totals(more: Partial<StatusJson['totals']> = {}): StatusJson['totals'] {
  return {
    pending: 0,
    stored: 41,
    gone: 0,
    ignored: 0,
    dead: 0,
    failing: 0,
    missing: 0,
    unreconciled_count: 0,
    unreconciled_paused_count: 0,
    waiting_count: 0,
    unknown_count: 0,
    unknown_since: null,
    states: { watching: 1 },
    paused_count: 0,
    ...more,
  };
}

interface Changes {
  readonly status?: Partial<StatusJson>;
  /** Null: no mailbox is known. */
  readonly mailbox?: Partial<MailboxStatusJson> | null;
  readonly deadCount?: number;
}

export function overview({
  deadCount = 0,
  mailbox: ofMailbox = {},
  status = {},
}: Changes = {}): OverviewJson {
  return {
    now: NOW,
    status: {
      is_running: true,
      last_poll_at: minutesBefore(1),
      last_error: null,
      emails_processed_total: 41,
      state: 'watching',
      scheduler: null,
      mailbox_count: 1,
      totals: totals(),
      mailboxes: ofMailbox === null ? [] : [mailbox(ofMailbox)],
      consumers: [],
      retention: null,
      uncollected_objects: null,
      advice: [],
      advice_items: [],
      ...status,
    },
    freshness: { newest_stored_at: minutesBefore(10) },
    quota: { minute_limit: 6_000, minute_used: 0, today_used: 0 },
    dead_count: deadCount,
    incidents_open_count: 0,
  };
}
