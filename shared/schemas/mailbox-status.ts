/**
 * One mailbox in the response of `status`.
 * Invariant: a value that is not known is null, never 0.
 */
import * as z from 'zod/mini';
import { count, errorSchema, time } from './fields.ts';
import { reconciliationSchema } from './reconciliation.ts';
import { STATES } from './state.ts';

/** Ledger rows by state; exact at any time. */
export const ledgerCountsSchema = z.object({
  pending: count,
  stored: count,
  gone: count,
  ignored: count,
  dead: count,
});

/** Messages that cannot be fetched or stored: pending ones with an error, and dead ones that are not given up. */
export const failingSchema = z.object({
  count,
  /** Of these, the dead ones, which are retried once per day. */
  dead_count: count,
  /** The code of the most recent failure. */
  error_code: z.nullable(z.string()),
  error_detail: z.nullable(z.string()),
  remediation: z.string(),
  /** The earliest next attempt; null when none is planned. */
  next_attempt_at: z.nullable(time),
  /** When the oldest of these messages was discovered. */
  oldest_since: time,
});

export const watchSchema = z.object({
  topic: z.nullable(z.string()),
  registered_at: z.nullable(time),
  expires_at: z.nullable(time),
  /** True when the watch is registered but no push notification arrives. */
  is_silent: z.boolean(),
  /** Consecutive scheduled runs that found mail that a push notification should have announced. */
  late_run_count: count,
  late_since: z.nullable(time),
  /** Why push does not work; `push_silent` while no push notification arrives. */
  error: z.nullable(errorSchema),
});

/** Stored emails whose message is not yet published on EMAILS_PUBSUB_TOPIC. */
export const unpublishedSchema = z.object({
  /** Counted up to 1,000. */
  count,
  /** When the oldest of these emails was stored. */
  oldest_since: time,
});

export const incidentSummarySchema = z.object({
  kind: z.string(),
  opened_at: time,
  /** Null while the incident is open. */
  closed_at: z.nullable(time),
  detail: z.record(z.string(), z.unknown()),
});

export const mailboxStatusSchema = z.object({
  email_address: z.string(),
  /**
   * True for a monitored mailbox: that of the configured credentials, and those that operators added. Other mailboxes were
   * removed or belong to earlier credentials.
   */
  is_current: z.boolean(),
  /** An operator paused it: nothing is fetched for it, and its state is `stopped` unless access is denied. */
  is_paused: z.boolean(),
  /**
   * `environment`: the credentials are variables. `refresh_token`: they are a secret of the mailbox. `delegation`: a service
   * account signs. Null for a mailbox that is not monitored.
   */
  access: z.nullable(z.enum(['environment', 'refresh_token', 'delegation'])),
  state: z.enum(STATES),
  /** A Gmail history id: a decimal number below 2^64. Null until Gmail has answered for an added mailbox. */
  cursor_history_id: z.nullable(z.string().check(z.regex(/^\d{1,20}$/))),
  /** When the last run began. */
  last_run_at: z.nullable(time),
  last_success_at: z.nullable(time),
  /** While backing off, the time of the next run. Null: due now. */
  next_poll_at: z.nullable(time),
  /** Consecutive failed runs. */
  failure_count: count,
  last_error: z.nullable(errorSchema),
  /** The instance that holds the lease now; null when none does. */
  lease_holder: z.nullable(z.string()),
  /** True while a listing of older mail is unfinished, so that more messages may be found. */
  is_listing: z.boolean(),
  /** Messages that wait to be fetched. Null: not known since `unknown_since`. */
  waiting_count: z.nullable(count),
  /** When `waiting_count` was last known, or when the mailbox was first reached. Null while `waiting_count` is known. */
  unknown_since: z.nullable(time),
  ledger: ledgerCountsSchema,
  /** When the oldest pending message was discovered; null when none is pending. */
  oldest_pending_at: z.nullable(time),
  failing: z.nullable(failingSchema),
  last_push_at: z.nullable(time),
  /** Null when no watch is registered and none has failed. */
  watch: z.nullable(watchSchema),
  /** Null when every stored email is published, and without a topic for stored emails. */
  unpublished: z.nullable(unpublishedSchema),
  /** Null before the first reconciliation. */
  reconciliation: z.nullable(reconciliationSchema),
  /** The open incidents and the most recent closed ones. */
  incidents: z.array(incidentSummarySchema),
});

export type Failing = z.output<typeof failingSchema>;
export type WatchStatus = z.output<typeof watchSchema>;
export type MailboxStatus = z.output<typeof mailboxStatusSchema>;
export type MailboxStatusJson = z.input<typeof mailboxStatusSchema>;
