/**
 * Decodes the push notification that Gmail publishes when a watched mailbox changes. Its envelope is the body of a Pub/Sub
 * push, or a CloudEvent around it (structured, or binary with the envelope in headers).
 * A push notification names the mailbox and a historyId, never what changed. A historyId above 2^64 - 1 is rejected here:
 * the database could not store it, and Pub/Sub would redeliver the push again and again.
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
  // No control characters: PostgreSQL rejects NUL, and Pub/Sub would redeliver the push again and again.
  emailAddress: z.string().check(z.maxLength(320), z.regex(/^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u)),
  // Google sends a number, its documentation shows a string. `exactHistoryId` has turned numbers into their digits.
  historyId: z.string().check(z.refine(isHistoryId)),
});

/**
 * @param body parsed JSON, or JSON as text or bytes
 * @returns null for anything that is not a Gmail notification
 */
export function decodeNotification(body: unknown): GmailNotification | null {
  const outer = envelope.safeParse(fromText(body));
  if (!outer.success) return null;
  // Buffer decodes base64 and base64url, with and without padding.
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

/** Keeps the digits as written: a uint64 may have more of them than a JavaScript number can hold. */
function exactHistoryId(key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return key === 'historyId' && typeof value === 'number' ? (context?.source ?? String(value)) : value;
}
