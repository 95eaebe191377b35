/** The response of `poll` and `poll-now`: what the run did. A failed run returns a problem with the same members. */
import * as z from 'zod/mini';
import { count } from './fields.ts';
import { problemSchema } from './problem.ts';

export const OUTCOMES = [
  'completed',
  /** The run used up its time; the next run continues. */
  'out_of_time',
  'failed',
  /** Another instance holds the lease, and finds what this run would have found. */
  'busy',
  'not_due',
  'stopped',
  /** An operator paused the mailbox. */
  'paused',
  'not_configured',
  /** The due mailboxes were published on WORK_PUBSUB_TOPIC; their runs report for themselves. */
  'dispatched',
] as const;

export const pollSchema = z.object({
  outcome: z.enum(OUTCOMES),
  /** Emails stored by this run. */
  new_emails: count,
  /** Messages added to the ledger. */
  discovered: count,
  gone: count,
  ignored: count,
  /** Attempts that failed. */
  failed: count,
  /** Messages that became dead. */
  dead: count,
  quota_units: count,
  /** With `?retry=dead`: the dead messages that were requeued. */
  retried: z.optional(count),
  /** With outcome `dispatched`, and while none is due: the mailboxes that were published. */
  dispatched: z.optional(count),
  /** When several mailboxes ran in place: how many, and how many of their runs failed. The other counts are sums. */
  mailboxes: z.optional(count),
  failed_mailboxes: z.optional(count),
});

export const failedPollSchema = z.extend(problemSchema, pollSchema.shape);

export type PollAnswer = z.output<typeof pollSchema>;
export type PollAnswerJson = z.input<typeof pollSchema>;
