/** The response of `status`, `start` and `stop`: state, progress, errors, and advice for the operator. */
import * as z from 'zod/mini';
import { ACTIONS } from './actions.ts';
import { consumerStatusSchema } from './consumer-status.ts';
import { count, errorSchema, time } from './fields.ts';
import { ledgerCountsSchema, mailboxStatusSchema } from './mailbox-status.ts';
import { retentionSchema } from './retention.ts';
import { STATES } from './state.ts';

export const adviceItemSchema = z.object({
  /** Stable, because programs rely on it. */
  code: z.string(),
  /** One or two sentences, without the command of `action`. */
  text: z.string(),
  /** Null when the text needs no command. */
  action: z.nullable(z.enum(ACTIONS)),
  /** For curl; absent when it is that of the action. */
  command: z.optional(z.string()),
  /** Of `requeue_emails`: the consumer whose dead emails to queue again. */
  consumer: z.optional(z.string()),
  /** Of `confirm_mailbox`: the account of the credentials. Absent when another version recorded the error. */
  account: z.optional(z.string()),
  /** The addresses of the first mailboxes that it is about, at most three. Absent while there is one mailbox. */
  mailboxes: z.optional(z.array(z.string())),
});

/** Sums over the monitored mailboxes. */
export const totalsSchema = z.object({
  ...ledgerCountsSchema.shape,
  /** Messages that cannot be fetched or stored, as in `failing` of a mailbox. */
  failing: count,
  /** Messages that the last reconciliations found missing. Null while no mailbox has been reconciled. */
  missing: z.nullable(count),
  /** Mailboxes that have not been reconciled yet, so that `missing` says nothing about them. */
  unreconciled_count: count,
  /** Those of them that are paused. */
  unreconciled_paused_count: count,
  /** Null while it is unknown for any mailbox; `pending` are those that have been found. */
  waiting_count: z.nullable(count),
  /** Mailboxes whose number of waiting messages is unknown. */
  unknown_count: count,
  /** Since when it is unknown for one of them; null while it is known, and before the first contact with Gmail. */
  unknown_since: z.nullable(time),
  /** Mailboxes that are not paused, by state. A state that no mailbox has is left out. */
  states: z.partialRecord(z.enum(STATES), count),
  paused_count: count,
});

export const schedulerSchema = z.object({
  /** `projects/P/locations/L/jobs/J` */
  job: z.string(),
  /** `unknown`: the job could not be read, see `error`. */
  state: z.enum(['enabled', 'paused', 'disabled', 'update_failed', 'missing', 'unknown']),
  /** In unix-cron format. */
  schedule: z.nullable(z.string()),
  last_attempt_at: z.nullable(time),
  next_run_at: z.nullable(time),
  /** True when the job is enabled and `is_running`, or neither; null when the job cannot be read. */
  agrees: z.nullable(z.boolean()),
  error: z.nullable(errorSchema),
});

export const statusSchema = z.object({
  is_running: z.boolean(),
  /** When the last run of any mailbox ended. */
  last_poll_at: z.nullable(time),
  /** Of the first mailbox. Null while it is paused, unless the state comes from it. */
  last_error: z.nullable(z.string()),
  /** All emails stored so far. */
  emails_processed_total: count,
  /** The worst state of the monitored mailboxes that are not paused, by precedence; of all when all are paused. */
  state: z.enum(STATES),
  /** Null when no job is configured. */
  scheduler: z.nullable(schedulerSchema),
  /** Monitored mailboxes: that of the configured credentials, also before it is identified, and those that operators added. */
  mailbox_count: count,
  totals: totalsSchema,
  /** At most 100, the worst first: by state, then by the oldest problem. Paused ones follow; those not monitored are last. */
  mailboxes: z.array(mailboxStatusSchema),
  /** By name. Empty before the first consumer exists. They do not change the state. */
  consumers: z.array(consumerStatusSchema),
  /** Null: RETENTION_DAYS is not set, and nothing is erased. */
  retention: z.nullable(retentionSchema),
  /**
   * Objects of the bucket that a run is to check, and to delete when no email refers to them; at most 1,000. Null: none. More than
   * a day after `since`, none of the runs deletes them.
   */
  uncollected_objects: z.nullable(z.object({ count, since: time })),
  /** The texts of `advice_items` with their commands, the most urgent first. Empty when nothing needs attention. */
  advice: z.array(z.string()),
  advice_items: z.array(adviceItemSchema),
});

export type AdviceItem = z.output<typeof adviceItemSchema>;
export type SchedulerStatus = z.output<typeof schedulerSchema>;
export type Totals = z.output<typeof totalsSchema>;
export type Status = z.output<typeof statusSchema>;
export type StatusJson = z.input<typeof statusSchema>;
