/**
 * The body of a Pub/Sub push, or a CloudEvent around it (structured, or binary with the envelope in headers).
 * Source: https://cloud.google.com/pubsub/docs/push#receive_push
 */
import * as z from 'zod/mini';

const pushBody = z.object({
  message: z.object({
    data: z.string(),
    // A malformed one must not hide the data.
    attributes: z.catch(z.optional(z.record(z.string(), z.string())), undefined),
  }),
});
const cloudEvent = z.pipe(
  z.object({ data: pushBody }),
  z.transform((event) => event.data),
);
const envelope = z.union([pushBody, cloudEvent]);

/** As the second argument of `JSON.parse`. */
type Reviver = (key: string, value: unknown, context?: { readonly source?: string }) => unknown;

export interface Push {
  /** The data of the message as JSON; null when it is not JSON. */
  readonly data: unknown;
  readonly attributes: Readonly<Record<string, string>>;
}

/**
 * @param body parsed JSON, or JSON as text or bytes
 * @param reviver of the data
 * @returns null for anything that is not a push with data
 */
export function decodePush(body: unknown, reviver?: Reviver): Push | null {
  const outer = envelope.safeParse(fromText(body));
  if (!outer.success) return null;
  const { attributes = {}, data } = outer.data.message;
  // Buffer decodes base64 and base64url, with and without padding.
  return { data: fromText(Buffer.from(data, 'base64'), reviver), attributes };
}

function fromText(body: unknown, reviver?: Reviver): unknown {
  if (typeof body !== 'string' && !Buffer.isBuffer(body)) return body;
  try {
    return JSON.parse(body.toString('utf8'), reviver);
  } catch {
    return null;
  }
}
