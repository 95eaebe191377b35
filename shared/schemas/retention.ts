/** What `status` reports about retention: how far it has erased expired emails, and which ones it keeps. */
import * as z from 'zod/mini';
import { count, time } from './fields.ts';

/** An email is expired when it was received and stored more than `days` days ago. */
export const retentionSchema = z.object({
  days: count,
  /** Emails that retention has erased so far. */
  erased_count: count,
  /** When it last erased one; null: never. */
  erased_at: z.nullable(time),
  /** When a run last examined expired emails without an error; null: never. */
  checked_at: z.nullable(time),
  /** An email expired more than a day ago, and no run has examined expired emails for a day. */
  is_stalled: z.boolean(),
  /** Expired emails that could not be deleted, at most 1,000; null: none. */
  blocked: z.nullable(
    z.object({
      count,
      /** Of one of them: the constraint and its table, or the SQLSTATE. */
      reason: z.string(),
    }),
  ),
  /** Examined expired emails that are kept, because they are not completed. A consumer without such emails is not listed. */
  uncompleted: z.array(
    z.object({
      /** Null: there is no consumer, and `processed` is false. */
      consumer: z.nullable(z.string()),
      /** At most 1,000. */
      count,
    }),
  ),
  /** Examined expired emails that are kept, because their messages on EMAILS_PUBSUB_TOPIC are not published; at most 1,000. */
  unpublished_count: count,
});

export type RetentionStatus = z.output<typeof retentionSchema>;
