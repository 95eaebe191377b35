/** The response of `status`, `start` and `stop`: state, progress, errors, and advice for the operator. */
import * as z from 'zod/mini';
import { ACTIONS } from './actions.ts';
import { consumerStatusSchema } from './consumer-status.ts';
import { count, errorSchema, time } from './fields.ts';
import { mailboxStatusSchema } from './mailbox-status.ts';
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
  last_error: z.nullable(z.string()),
  /** All emails stored so far. */
  emails_processed_total: count,
  /** The state of the mailbox that the configured credentials belong to. */
  state: z.enum(STATES),
  /** Null when no job is configured. */
  scheduler: z.nullable(schedulerSchema),
  mailboxes: z.array(mailboxStatusSchema),
  /** By name. Empty before the first consumer exists. They do not change the state. */
  consumers: z.array(consumerStatusSchema),
  /** Null: RETENTION_DAYS is not set, and nothing is erased. */
  retention: z.nullable(retentionSchema),
  /** The texts of `advice_items` with their commands, the most urgent first. Empty when nothing needs attention. */
  advice: z.array(z.string()),
  advice_items: z.array(adviceItemSchema),
});

export type AdviceItem = z.output<typeof adviceItemSchema>;
export type SchedulerStatus = z.output<typeof schedulerSchema>;
export type Status = z.output<typeof statusSchema>;
export type StatusJson = z.input<typeof statusSchema>;
