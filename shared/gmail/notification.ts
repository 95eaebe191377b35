/**
 * Reads the push notification that Gmail publishes when a watched mailbox changes, from its envelopes: the body of a
 * Pub/Sub push, or a CloudEvent around it (structured, or binary with the envelope in headers).
 * A push notification names the mailbox and a historyId, never what changed. A historyId above 2^64 - 1 is refused here:
 * the database could not store it, and Pub/Sub would deliver the push again and again.
 *
 * Sources: https://developers.google.com/workspace/gmail/api/guides/push
 *          https://cloud.google.com/pubsub/docs/push#receive_push
 */
import * as z from 'zod/mini';
import { isHistoryId } from './response-schemas.ts';

export interface GmailNotification {
  readonly emailAddress: string;
  /** uint64 as decimal digits. */
  readonly historyId: string;
}

const pushBody = z.object({ message: z.object({ data: z.string() }) });
const cloudEvent = z.pipe(
  z.object({ data: pushBody }),
  z.transform((event) => event.data),
);
const envelope = z.union([pushBody, cloudEvent]);
const payload = z.object({
  // No control characters: PostgreSQL refuses NUL, and the push would be delivered again and again.
  emailAddress: z.string().check(z.maxLength(320), z.regex(/^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u)),
  // Google sends a number, its documentation a string. Numbers arrive here as the digits that were written.
  historyId: z.string().check(z.refine(isHistoryId)),
});

/**
 * @param body parsed JSON, or its text or bytes
 * @returns null for anything that is not a notification of Gmail
 */
export function decodeNotification(body: unknown): GmailNotification | null {
  const outer = envelope.safeParse(fromText(body));
  if (!outer.success) return null;
  // Buffer takes both alphabets of base64, with and without padding.
  const inner = payload.safeParse(fromText(Buffer.from(outer.data.message.data, 'base64')));
  return inner.success ? inner.data : null;
}

function fromText(body: unknown): unknown {
  if (typeof body !== 'string' && !Buffer.isBuffer(body)) return body;
  try {
    return JSON.parse(body.toString('utf8'), exactHistoryId);
  } catch {
    return null;
  }
}

/** A uint64 may have more digits than a JavaScript number keeps: it is taken as it is written. */
function exactHistoryId(key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return key === 'historyId' && typeof value === 'number' ? (context?.source ?? String(value)) : value;
}
