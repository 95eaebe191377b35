/**
 * Decodes the push notification that Gmail publishes when a watched mailbox changes.
 * A push notification names the mailbox and a historyId, never what changed. A historyId above 2^64 - 1 is rejected here:
 * the database could not store it, and Pub/Sub would redeliver the push again and again.
 * Source: https://developers.google.com/workspace/gmail/api/guides/push
 */
import * as z from 'zod/mini';
import { decodePush } from '../pubsub/push.ts';
import { isHistoryId } from './response-schemas.ts';

export interface GmailNotification {
  readonly emailAddress: string;
  /** uint64 as decimal digits. */
  readonly historyId: string;
}

const payload = z.object({
  // No control characters: PostgreSQL rejects NUL, and Pub/Sub would redeliver the push again and again.
  emailAddress: z.string().check(z.maxLength(320), z.regex(/^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u)),
  // Google sends a number, its documentation shows a string. `exactHistoryId` has turned numbers into their digits.
  historyId: z.string().check(z.refine(isHistoryId)),
});

/**
 * @param body of a push of Pub/Sub, or a CloudEvent around it
 * @returns null for anything that is not a Gmail notification
 */
export function decodeNotification(body: unknown): GmailNotification | null {
  const decoded = payload.safeParse(decodePush(body, exactHistoryId)?.data);
  return decoded.success ? decoded.data : null;
}

/** Keeps the digits as written: a uint64 may have more of them than a JavaScript number can hold. */
function exactHistoryId(key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return key === 'historyId' && typeof value === 'number' ? (context?.source ?? String(value)) : value;
}
