/** The console's responses about emails: a page of emails, and one email with its text. */
import * as z from 'zod/mini';
import { count, id, time } from './fields.ts';
import { emailProcessingSchema } from './processing.ts';

export const attachmentSchema = z.object({
  id,
  filename: z.string(),
  /** As declared by the sender. */
  content_type: z.string(),
  file_size_bytes: count,
  is_inline: z.boolean(),
});

export const emailSchema = z.object({
  id,
  /** The address of its mailbox. */
  mailbox: z.string(),
  received_at: time,
  stored_at: time,
  sender: z.nullable(z.string()),
  sender_address: z.nullable(z.string()),
  subject: z.nullable(z.string()),
  size_bytes: count,
  attachment_count: count,
  /** Defects of the message that the parser worked around. */
  defects: z.array(z.string()),
  processed: z.boolean(),
  /** At most fifty in a list. */
  attachments: z.array(attachmentSchema),
});

export const emailPageSchema = z.object({
  /** The last received first. */
  emails: z.array(emailSchema),
  /**
   * The value of `before` for the next page, an opaque text; null at the end. With words or filters, a page that is not full
   * may have it too: the emails down to this position have been searched.
   */
  next_before: z.nullable(z.string()),
});

export const openedAttachmentSchema = z.extend(attachmentSchema, {
  /** How the page can show the file, by the type detected from its bytes; null: as a download only. */
  preview: z.nullable(z.enum(['image', 'pdf'])),
});

/** How Gmail's message became known, from the ledger. */
export const discoverySchema = z.object({
  source: z.enum(['history', 'newest', 'initial', 'backfill', 'gap', 'reconciliation']),
  discovered_at: time,
  /** Failed attempts that were charged, since the last retry of a dead message. */
  attempt_count: count,
  /** Of the last failed attempt; null when none is known. */
  last_attempt_at: z.nullable(time),
});

export const openedEmailSchema = z.extend(emailSchema, {
  attachments: z.array(openedAttachmentSchema),
  /** The last change of `processed` or of what the parser returned; `stored_at` when there was none. */
  updated_at: time,
  /** Null when the ledger does not have the message. */
  discovery: z.nullable(discoverySchema),
  recipients: z.record(z.string(), z.unknown()),
  gmail_message_id: z.string(),
  rfc822_message_id: z.nullable(z.string()),
  sent_at: z.nullable(time),
  body_text: z.nullable(z.string()),
  body_text_truncated: z.boolean(),
  /** The whole message as a person reads it: text, HTML converted, attached messages, in order. */
  plain_text: z.nullable(z.string()),
  plain_text_truncated: z.boolean(),
  delivered_to: z.array(z.string()),
  in_reply_to: z.nullable(z.string()),
  list_id: z.nullable(z.string()),
  /** Why the email is taken for a program's: a keyword of Auto-Submitted, `report` or `empty-return-path`. */
  auto_submitted: z.nullable(z.string()),
  has_html: z.boolean(),
  /** One entry per consumer, by name. */
  processing: z.array(emailProcessingSchema),
});

const fileSummarySchema = z.object({ filename: z.string(), size_bytes: count, sha256: z.string() });

/** What parsing an email again has changed. */
export const reprocessedSchema = z.object({
  /** `newer_parser`: a newer version of the parser has read the email, and nothing was changed. */
  result: z.enum(['same', 'changed', 'newer_parser']),
  /** Names of changed columns of `incoming_emails`. */
  columns: z.array(z.string()),
  files: z.array(
    z.object({
      kind: z.enum(['added', 'removed', 'changed']),
      /** Null for an added file. */
      before: z.nullable(fileSummarySchema),
      /** Null for a removed file. */
      now: z.nullable(fileSummarySchema),
      /** Of a changed file; `file_data` means the bytes. */
      columns: z.array(z.string()),
    }),
  ),
  /** Whether `processed` became false. */
  processed_reset: z.boolean(),
});

export type Email = z.output<typeof emailSchema>;
export type EmailJson = z.input<typeof emailSchema>;
export type EmailPage = z.output<typeof emailPageSchema>;
export type EmailPageJson = z.input<typeof emailPageSchema>;
export type OpenedEmail = z.output<typeof openedEmailSchema>;
export type OpenedEmailJson = z.input<typeof openedEmailSchema>;
export type AttachmentJson = z.input<typeof attachmentSchema>;
export type OpenedAttachment = z.output<typeof openedAttachmentSchema>;
export type OpenedAttachmentJson = z.input<typeof openedAttachmentSchema>;
export type Reprocessed = z.output<typeof reprocessedSchema>;
export type ReprocessedJson = z.input<typeof reprocessedSchema>;
