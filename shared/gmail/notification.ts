/**
 * What Gmail publishes when something changed in a watched mailbox, out of the envelopes it travels in: the
 * body of a Pub/Sub push, or a CloudEvent around it (structured, or binary with the envelope in headers).
 * A notification is a doorbell: it says that there is news up to a historyId, never what.
 *
 * Sources: https://developers.google.com/workspace/gmail/api/guides/push
 *          https://cloud.google.com/pubsub/docs/push#receive_push
 */
import { z } from 'zod';

export interface GmailNotification {
  readonly emailAddress: string;
  /** uint64 as decimal digits. */
  readonly historyId: string;
}

const pushBody = z.object({ message: z.object({ data: z.string() }) });
const envelope = z.union([pushBody, z.object({ data: pushBody }).transform((event) => event.data)]);
const payload = z.object({
  emailAddress: z.string().min(3).max(320),
  // Google sends a number, its documentation a string.
  historyId: z
    .union([z.string().regex(/^\d{1,20}$/), z.number().int().nonnegative().refine(Number.isSafeInteger)])
    .transform(String),
});

/**
 * @param body parsed JSON, or its text or bytes
 * @returns null for anything that is not a notification of Gmail
 */
export function decodeNotification(body: unknown): GmailNotification | null {
  const outer = envelope.safeParse(fromText(body));
  if (!outer.success) return null;
  const inner = payload.safeParse(fromText(Buffer.from(outer.data.message.data, 'base64')));
  return inner.success ? inner.data : null;
}

function fromText(body: unknown): unknown {
  if (typeof body !== 'string' && !Buffer.isBuffer(body)) return body;
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
}
