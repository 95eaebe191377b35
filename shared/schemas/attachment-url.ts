/** The response of `attachment-url`: where the bytes of an attachment can be downloaded without an account, and what they are. */
import * as z from 'zod/mini';
import { count, time } from './fields.ts';

export const attachmentUrlSchema = z.object({
  /** A download by GET. It contains nothing of the email. Everyone who has it can use it until it expires. */
  url: z.url(),
  expires_at: time,
  /** As the sender wrote it. */
  filename: z.string(),
  /** As sniffed from the bytes; as declared when they have no signature. */
  content_type: z.string(),
  size_bytes: count,
  /** Of the bytes, hex. */
  sha256: z.string(),
});

export type AttachmentUrl = z.output<typeof attachmentUrlSchema>;
