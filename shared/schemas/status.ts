/** The answer of `status`, `start` and `stop`: what runs, how far it is, what is wrong, and what to do about it. */
import * as z from 'zod/mini';
import { count, errorSchema, time } from './fields.ts';
import { mailboxStatusSchema } from './mailbox-status.ts';
import { STATES } from './state.ts';

/** What an operator does about an advice; a client shows its own button or command for it. */
export const ACTIONS = ['start', 'stop', 'poll_now', 'reconcile_all', 'retry_dead', 'authorize'] as const;
export type AdviceAction = (typeof ACTIONS)[number];

export const adviceItemSchema = z.object({
  /** Stable: programs and tests rely on it. */
  code: z.string(),
  /** One or two sentences, without the command of `action`. */
  text: z.string(),
  /** Null: the text says all. */
  action: z.nullable(z.enum(ACTIONS)),
});

export const schedulerSchema = z.object({
  /** `projects/P/locations/L/jobs/J` */
  job: z.string(),
  /** `unknown`: Cloud Scheduler did not say, see `error`. */
  state: z.enum(['enabled', 'paused', 'disabled', 'update_failed', 'missing', 'unknown']),
  /** unix-cron */
  schedule: z.nullable(z.string()),
  last_attempt_at: z.nullable(time),
  next_run_at: z.nullable(time),
  /** The job is enabled exactly while `is_running`; null when its state cannot be read. */
  agrees: z.nullable(z.boolean()),
  error: z.nullable(errorSchema),
});

export const statusSchema = z.object({
  is_running: z.boolean(),
  /** When the last run ended, of any mailbox. */
  last_poll_at: z.nullable(time),
  last_error: z.nullable(z.string()),
  /** Emails stored since the beginning. */
  emails_processed_total: count,
  /** Of the mailbox that the configured credentials reach. */
  state: z.enum(STATES),
  /** Null: no job is configured. */
  scheduler: z.nullable(schedulerSchema),
  mailboxes: z.array(mailboxStatusSchema),
  /** `advice_items` as sentences with their commands, the most pressing first. Empty when all is well. */
  advice: z.array(z.string()),
  advice_items: z.array(adviceItemSchema),
});

export type AdviceItem = z.output<typeof adviceItemSchema>;
export type SchedulerStatus = z.output<typeof schedulerSchema>;
export type Status = z.output<typeof statusSchema>;
export type StatusJson = z.input<typeof statusSchema>;
