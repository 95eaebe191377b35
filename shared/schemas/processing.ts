/** The console's responses about the emails of consumers: the dead ones, and the queue state of one email. */
import * as z from 'zod/mini';
import { count, id, time } from './fields.ts';

export const deadEmailSchema = z.object({
  consumer: z.string(),
  /** Of the email. */
  id,
  sender: z.nullable(z.string()),
  sender_address: z.nullable(z.string()),
  subject: z.nullable(z.string()),
  received_at: time,
  failure_count: count,
  failed_at: time,
  /** Of the last failure. */
  error: z.nullable(z.string()),
  /** Whose claim expired; null when the worker reported the failure. */
  worker: z.nullable(z.string()),
});

export const deadEmailPageSchema = z.object({
  /** By email, the one that was stored last first. An email that is dead for several consumers has one entry for each. */
  emails: z.array(deadEmailSchema),
  /** The value of `before` for the next page; null at the end. */
  next_before: z.nullable(id),
});

export const emailProcessingSchema = z.object({
  consumer: z.string(),
  /** `not_queued`: the consumer is new, and the email will be queued; or it was removed from the queue by hand. */
  state: z.enum(['waiting', 'claimed', 'dead', 'completed', 'not_queued']),
  /** When it was queued; null when it is not in the queue. */
  queued_at: z.nullable(time),
  /** waiting: when it can be claimed. claimed: when the claim expires. dead: when it failed. Null: not in the queue. */
  due_at: z.nullable(time),
  /** claimed: who has it. dead: whose claim expired. completed: who completed it. */
  worker: z.nullable(z.string()),
  failure_count: count,
  error: z.nullable(z.string()),
  /** The last time; null when never, or when `processed` was set without the queue. */
  completed_at: z.nullable(time),
});

/** 0: no email of the consumer was dead. */
export const requeuedSchema = z.object({ requeued: count });

export type DeadEmail = z.output<typeof deadEmailSchema>;
export type DeadEmailJson = z.input<typeof deadEmailSchema>;
export type DeadEmailPage = z.output<typeof deadEmailPageSchema>;
export type DeadEmailPageJson = z.input<typeof deadEmailPageSchema>;
export type EmailProcessing = z.output<typeof emailProcessingSchema>;
export type EmailProcessingJson = z.input<typeof emailProcessingSchema>;
export type Requeued = z.output<typeof requeuedSchema>;
