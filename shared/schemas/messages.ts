/** The console's responses about messages that are not stored. */
import * as z from 'zod/mini';
import { count, errorSchema, id, time } from './fields.ts';

/** What Gmail says about a message, for a person to recognize it. A header that the message lacks is null. */
export const messageHeadersSchema = z.object({
  from: z.nullable(z.string()),
  to: z.nullable(z.string()),
  subject: z.nullable(z.string()),
  message_id: z.nullable(z.string()),
  /** When Gmail accepted the message. */
  received_at: z.nullable(time),
});

export const messageSchema = z.object({
  /** Null for a message that is not in the ledger. */
  ledger_id: z.nullable(id),
  gmail_message_id: z.string(),
  /** The address of the mailbox. */
  email_address: z.string(),
  /** `erased`: it was stored, and an operator or retention erased it. `unknown`: Gmail has it, and the ledger does not. */
  state: z.enum(['pending', 'dead', 'ignored', 'gone', 'erased', 'unknown']),
  /** Pending after a failed attempt, or dead and not given up. */
  is_failing: z.boolean(),
  /** A run is fetching it now. */
  is_claimed: z.boolean(),
  /** The rule that excludes it. Of an unknown message: the rule that its labels and its date suggest. */
  ignored_rule: z.nullable(z.string()),
  /** Failures charged so far. */
  attempt_count: count,
  last_attempt_at: z.nullable(time),
  next_attempt_at: z.nullable(time),
  error_code: z.nullable(z.string()),
  /** What the code means; null for a code that another version wrote. */
  error_title: z.nullable(z.string()),
  error_detail: z.nullable(z.string()),
  /** What to do about the error; null without an error. */
  remediation: z.nullable(z.string()),
  discovered_at: z.nullable(time),
  /** When it became ignored, gone, dead or erased. */
  resolved_at: z.nullable(time),
  /** When an operator gave it up. */
  given_up_at: z.nullable(time),
  headers: z.nullable(messageHeadersSchema),
  /**
   * Why `headers` is null. `gone`: no longer in Gmail. `not_asked`: Gmail is asked for a limited number, or not at all.
   * `other_mailbox`: Gmail is not asked about this mailbox. `failed`: see `gmail.error`; null there: Gmail rejects the message.
   */
  headers_missing: z.nullable(z.enum(['gone', 'not_asked', 'other_mailbox', 'failed'])),
});

/** Null: Gmail answered. Otherwise what was not searched, or whose headers are missing, and what to do. */
const gmail = z.object({ error: z.nullable(errorSchema) });

export const messagePageSchema = z.object({
  messages: z.array(messageSchema),
  /** The value of `before` for the next page; null at the end. */
  next_before: z.nullable(id),
  gmail,
});

export const foundMessagesSchema = z.object({
  messages: z.array(messageSchema),
  /** The value of `before` that continues the search; null at the end. It is set also after an empty page. */
  next_before: z.nullable(z.string()),
  gmail,
  /** Whose Gmail the search covers, over all its pages. */
  searched: z.object({
    /** Addresses, at most 10. */
    mailboxes: z.array(z.string()),
    /**
     * Monitored mailboxes that may have further matches: they are too many for one search, Gmail has not answered for them yet, or
     * `gmail.error` is about them. 0 when the ledger knows the Gmail id that was searched for.
     */
    not_searched_count: count,
  }),
});

export const messageCountsSchema = z.object({
  since: time,
  /** Messages ignored since then, the most frequent rule first. Counted up to 1,000 per rule. */
  ignored: z.array(z.object({ rule: z.string(), count, is_capped: z.boolean() })),
});

/** 0: no message was failing or dead any more. */
export const retriedSchema = z.object({ retried: count });
/** 0: the message is no longer dead, or was given up before. */
export const givenUpSchema = z.object({ given_up: count });

export type Message = z.output<typeof messageSchema>;
export type MessageJson = z.input<typeof messageSchema>;
export type MessagePage = z.output<typeof messagePageSchema>;
export type MessagePageJson = z.input<typeof messagePageSchema>;
export type FoundMessages = z.output<typeof foundMessagesSchema>;
export type FoundMessagesJson = z.input<typeof foundMessagesSchema>;
export type MessageCounts = z.output<typeof messageCountsSchema>;
export type MessageCountsJson = z.input<typeof messageCountsSchema>;
export type Retried = z.output<typeof retriedSchema>;
export type GivenUp = z.output<typeof givenUpSchema>;
