/**
 * One mailbox in the answer of status.
 * Invariant: a figure that is not known is null, never 0.
 */
import * as z from 'zod/mini';
import { count, errorSchema, time } from './fields.ts';
import { reconciliationSchema } from './reconciliation.ts';
import { STATES } from './state.ts';

/** Rows of the ledger by state: what is known of Gmail's messages, exact at any time. */
export const ledgerCountsSchema = z.object({
  pending: count,
  stored: count,
  gone: count,
  ignored: count,
  dead: count,
});

/** Messages that cannot be fetched or stored: waiting ones with an error, and dead ones that are not given up. */
export const failingSchema = z.object({
  count,
  /** Of these: dead, which are tried once a day. */
  dead_count: count,
  /** Of the newest failure. */
  error_code: z.nullable(z.string()),
  error_detail: z.nullable(z.string()),
  remediation: z.string(),
  /** The earliest; null: none has a next attempt. */
  next_attempt_at: z.nullable(time),
  /** When the oldest of them was discovered. */
  oldest_since: time,
});

export const watchSchema = z.object({
  topic: z.nullable(z.string()),
  registered_at: z.nullable(time),
  expires_at: z.nullable(time),
  /** The watch is registered, and no push arrives. */
  is_silent: z.boolean(),
  /** Scheduled runs in a row that found mail which a push should have announced. */
  late_run_count: count,
  late_since: z.nullable(time),
  /** Why push does not work; `push_silent` while no push arrives. */
  error: z.nullable(errorSchema),
});

export const incidentSummarySchema = z.object({
  kind: z.string(),
  opened_at: time,
  /** Null while it lasts. */
  closed_at: z.nullable(time),
  detail: z.record(z.string(), z.unknown()),
});

export const mailboxStatusSchema = z.object({
  email_address: z.string(),
  /** The configured credentials reach this one; others are remembered from earlier credentials. */
  is_current: z.boolean(),
  state: z.enum(STATES),
  /** A Gmail history id: a decimal number below 2^64. */
  cursor_history_id: z.string().check(z.regex(/^\d{1,20}$/)),
  /** When the last run began. */
  last_run_at: z.nullable(time),
  last_success_at: z.nullable(time),
  /** While backing off: the next try. Null: due now. */
  next_poll_at: z.nullable(time),
  /** Failed runs in a row. */
  failure_count: count,
  last_error: z.nullable(errorSchema),
  /** The instance that works on it now. */
  lease_holder: z.nullable(z.string()),
  /** A listing of older mail is being read, which may find more. */
  is_listing: z.boolean(),
  /** Messages of the mailbox that wait to be fetched. Null: not known since `unknown_since`. */
  waiting_count: z.nullable(count),
  /** Null while `waiting_count` is known; otherwise the last time at which it was, or the mailbox's first contact. */
  unknown_since: z.nullable(time),
  ledger: ledgerCountsSchema,
  /** When the oldest pending message was discovered; null when none is pending. */
  oldest_pending_at: z.nullable(time),
  failing: z.nullable(failingSchema),
  last_push_at: z.nullable(time),
  /** Null when no watch is registered and none has failed. */
  watch: z.nullable(watchSchema),
  /** Null before the first one. */
  reconciliation: z.nullable(reconciliationSchema),
  /** The open ones, and the last ones that have ended. */
  incidents: z.array(incidentSummarySchema),
});

export type Failing = z.output<typeof failingSchema>;
export type WatchStatus = z.output<typeof watchSchema>;
export type MailboxStatus = z.output<typeof mailboxStatusSchema>;
export type MailboxStatusJson = z.input<typeof mailboxStatusSchema>;
