/** What `status` reports about a consumer: one kind of work of the next phase, for example `extraction`. */
import * as z from 'zod/mini';
import { count, id, time } from './fields.ts';

export const consumerStatusSchema = z.object({
  name: z.string(),
  /** Emails that can be claimed now, or after the wait for their next attempt. */
  waiting_count: count,
  /** Emails that a worker has claimed, expired claims included. */
  claimed_count: count,
  /** Emails that failed five times. No worker gets them until an operator queues them again. */
  dead_count: count,
  /** The counts that stopped at 10,000: the consumer has at least that many. */
  capped_counts: z.array(z.enum(['waiting_count', 'claimed_count', 'dead_count'])),
  /** Since when the oldest email waits that is neither completed nor dead; null when none waits. */
  oldest_queued_at: z.nullable(time),
  /** True while emails that were stored before the consumer existed are still to be queued, by its next claims. */
  is_adding_older: z.boolean(),
  /** At most five, those that were stored last. */
  dead_emails: z.array(
    z.object({
      email_id: id,
      /** The first 500 characters of the worker's error. */
      error: z.nullable(z.string()),
      failed_at: time,
    }),
  ),
});

export type ConsumerStatus = z.output<typeof consumerStatusSchema>;
export type ConsumerStatusJson = z.input<typeof consumerStatusSchema>;
