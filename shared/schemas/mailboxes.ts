/** The responses of the console about mailboxes: a page of them, and what a change has done. */
import * as z from 'zod/mini';
import { count } from './fields.ts';
import { mailboxStatusSchema } from './mailbox-status.ts';

export const mailboxPageSchema = z.object({
  /** At most 100, in the order of `status`. */
  mailboxes: z.array(mailboxStatusSchema),
  /** Mailboxes on all pages. */
  found_count: count,
});

export const mailboxChangeSchema = z.object({
  email_address: z.string(),
  /** What an operator does next, such as the command that stores the credentials; null: nothing. */
  next_step: z.nullable(z.string()),
});

export type MailboxPage = z.output<typeof mailboxPageSchema>;
export type MailboxPageJson = z.input<typeof mailboxPageSchema>;
export type MailboxChange = z.output<typeof mailboxChangeSchema>;
