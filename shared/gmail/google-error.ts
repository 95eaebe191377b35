/**
 * Reads the error body that Google's APIs send, without passing its text on: the text may quote mail.
 * Source: https://developers.google.com/workspace/gmail/api/guides/handle-errors
 */
import * as z from 'zod/mini';

/** A refused call as it came over the wire. */
export interface FailedAnswer {
  readonly status: number;
  /** The start of the body, as text. */
  readonly body: string;
  /** The Retry-After header. */
  readonly retryAfter: string | null;
}

export interface GoogleError {
  /** Google's reason word, the most specific one there is; null when it is not a single word. */
  readonly reason: string | null;
  /** For comparison with known texts only; never logged, stored or shown. */
  readonly message: string;
}

const googleError = z.object({
  error: z.object({
    status: z.optional(z.string()),
    message: z.optional(z.string()),
    errors: z.optional(z.array(z.object({ reason: z.optional(z.string()) }))),
    details: z.optional(z.array(z.object({ reason: z.optional(z.string()) }))),
  }),
});

/** @returns null for a body that is not Google's error: a page of a proxy, other JSON, nothing */
export function readGoogleError(body: string): GoogleError | null {
  const parsed = googleError.safeParse(fromJson(body));
  if (!parsed.success) return null;
  const { errors, details, status, message } = parsed.data.error;
  const reason = errors?.[0]?.reason ?? details?.find((detail) => detail.reason)?.reason ?? status;
  return { reason: asWord(reason), message: message ?? '' };
}

/** @returns undefined for what is not JSON */
export function fromJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** Only a single word is safe to show. */
export function asWord(text: string | undefined): string | null {
  return text !== undefined && /^[A-Za-z_]{1,60}$/.test(text) ? text : null;
}

/**
 * @param header Retry-After: seconds or a date
 * @returns milliseconds from now; null without a usable value
 * @see https://datatracker.ietf.org/doc/html/rfc9110#section-10.2.3
 */
export function parseRetryAfter(header: string | null): number | null {
  if (header === null) return null;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? ms : null;
}
