/**
 * Schemas of the fields in Gmail's answers that this system reads. The compiler checks the field names against the types of
 * googleapis. These schemas validate what Gmail actually sends.
 * Source: https://developers.google.com/workspace/gmail/api/reference/rest
 */
import type { gmail_v1 } from 'googleapis/build/src/apis/gmail/v1.js';
import * as z from 'zod/mini';

/**
 * Gmail's historyId: an unsigned 64-bit integer, kept as decimal digits because a JavaScript number would round it.
 * The database stores it in a type that holds exactly this range.
 * Source: https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.history/list
 */
const MAX_HISTORY_ID = 2n ** 64n - 1n;

/** @returns true for 1 to 20 digits that are at most 2^64 - 1 */
export function isHistoryId(text: string): boolean {
  return /^\d{1,20}$/.test(text) && BigInt(text) <= MAX_HISTORY_ID;
}

/** Documented as a JSON string; a safe integer is accepted too. */
const historyId = z.pipe(
  z.union([z.string(), z.pipe(z.int(), z.transform(String))]),
  z.string().check(z.refine(isHistoryId)),
);
const digits = z.string().check(z.regex(/^\d+$/));
const id = z.string().check(z.minLength(1));
const labels = z.array(z.string());
/** Absent or empty on the last page. */
const nextPageToken = z.pipe(
  z.optional(z.string()),
  z.transform((value) => value || null),
);

export const profileSchema = fieldsOf<gmail_v1.Schema$Profile>()({
  emailAddress: z.string().check(z.minLength(3)),
  historyId,
});

const historyMessage = fieldsOf<gmail_v1.Schema$Message>()({ id, labelIds: z.optional(labels) });
const labelChange = fieldsOf<gmail_v1.Schema$HistoryLabelAdded>()({
  message: historyMessage,
  labelIds: z._default(labels, []),
});

/**
 * Every record is kept, including deletions, of which only the record id matters: the last record of a page moves the
 * cursor.
 */
const historyRecord = fieldsOf<gmail_v1.Schema$History>()({
  id: historyId,
  messagesAdded: z._default(
    z.array(fieldsOf<gmail_v1.Schema$HistoryMessageAdded>()({ message: historyMessage })),
    [],
  ),
  labelsAdded: z._default(z.array(labelChange), []),
  labelsRemoved: z._default(z.array(labelChange), []),
});

export const historyPageSchema = fieldsOf<gmail_v1.Schema$ListHistoryResponse>()({
  historyId,
  nextPageToken,
  // Absent when nothing changed.
  history: z._default(z.array(historyRecord), []),
});

export const messageListSchema = fieldsOf<gmail_v1.Schema$ListMessagesResponse>()({
  messages: z._default(z.array(fieldsOf<gmail_v1.Schema$Message>()({ id })), []),
  nextPageToken,
});

export const labelListSchema = fieldsOf<gmail_v1.Schema$ListLabelsResponse>()({
  labels: z._default(z.array(fieldsOf<gmail_v1.Schema$Label>()({ id, name: z.string() })), []),
});

/** The years 1 to 9999, which ISO 8601 writes with four digits and PostgreSQL can store. */
const MIN_DATE_MS = Date.parse('0001-01-01T00:00:00Z');
const MAX_DATE_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** Epoch milliseconds, negative for an imported message dated before 1970. An invalid value becomes null. */
const internalDate = z.catch(
  z.nullable(
    z.pipe(
      z.string().check(
        z.regex(/^-?\d{1,15}$/),
        z.refine((ms) => Number(ms) >= MIN_DATE_MS && Number(ms) <= MAX_DATE_MS),
      ),
      z.transform((ms) => new Date(Number(ms))),
    ),
  ),
  null,
);

export const rawMessageSchema = fieldsOf<gmail_v1.Schema$Message>()({
  id,
  threadId: z.optional(z.string()),
  labelIds: z._default(labels, []),
  internalDate,
  /** base64url of the whole message. */
  raw: z.string().check(z.minLength(1)),
});

/** A message in the format `metadata`. A message without any of the requested headers has no list of headers. */
export const metadataSchema = fieldsOf<gmail_v1.Schema$Message>()({
  labelIds: z._default(labels, []),
  internalDate,
  payload: z._default(
    fieldsOf<gmail_v1.Schema$MessagePart>()({
      headers: z._default(
        z.array(fieldsOf<gmail_v1.Schema$MessagePartHeader>()({ name: z.string(), value: z.string() })),
        [],
      ),
    }),
    { headers: [] },
  ),
});

/** https://developers.google.com/workspace/gmail/api/reference/rest/v1/users/watch */
export const watchSchema = fieldsOf<gmail_v1.Schema$WatchResponse>()({
  historyId,
  /** Epoch milliseconds; int64, a string in JSON. */
  expiration: z
    .pipe(z.union([digits, z.int()]), z.transform(Number))
    .check(z.refine((ms) => ms <= MAX_DATE_MS)),
});

/** `stop` answers with an empty body, which counts as an empty object. */
export const stopSchema = z.object({});

export type Profile = z.output<typeof profileSchema>;
export type HistoryPage = z.output<typeof historyPageSchema>;
export type HistoryRecord = HistoryPage['history'][number];
export type MessageList = z.output<typeof messageListSchema>;
export type MessageMetadata = z.output<typeof metadataSchema>;
export type Label = z.output<typeof labelListSchema>['labels'][number];

/** Creates an object schema whose fields must all exist in `Sent`, the googleapis type of the answer. */
function fieldsOf<Sent>() {
  return <Shape extends { readonly [Name in keyof Shape]: Name extends keyof Sent ? z.ZodMiniType : never }>(
    shape: Shape,
  ) => z.object(shape);
}
