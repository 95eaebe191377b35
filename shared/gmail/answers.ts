/**
 * The answers of Gmail that are read, in Gmail's form, and nothing of them that is not used.
 * Source: https://developers.google.com/workspace/gmail/api/reference/rest
 */
import * as z from 'zod/mini';

/** uint64: a string in JSON; a number where a server is careless. */
const digits = z.string().check(z.regex(/^\d+$/));
const historyId = z.pipe(z.union([digits, z.int().check(z.nonnegative())]), z.transform(String));
const id = z.string().check(z.minLength(1));
const labels = z.array(z.string());
const token = z.pipe(
  z.optional(z.string()),
  z.transform((value) => value || null),
);

export const profileAnswer = z.object({ emailAddress: z.string().check(z.minLength(3)), historyId });

const historyMessage = z.object({ id, labelIds: z.optional(labels) });
const labelChange = z.object({ message: historyMessage, labelIds: z._default(labels, []) });

export const historyAnswer = z.object({
  historyId,
  nextPageToken: token,
  // Absent when nothing changed.
  history: z._default(
    z.array(
      z.object({
        id: historyId,
        messagesAdded: z._default(z.array(z.object({ message: historyMessage })), []),
        labelsAdded: z._default(z.array(labelChange), []),
        labelsRemoved: z._default(z.array(labelChange), []),
      }),
    ),
    [],
  ),
});

export const messageListAnswer = z.object({
  messages: z._default(z.array(z.object({ id })), []),
  nextPageToken: token,
});

export const rawMessageAnswer = z.object({
  id,
  threadId: z.optional(z.string()),
  labelIds: z._default(labels, []),
  /** Epoch milliseconds, negative for an imported mail that claims to be older. A garbled one loses no mail. */
  internalDate: z.catch(
    z.nullable(
      z.pipe(
        z.string().check(z.regex(/^-?\d{1,15}$/)),
        z.transform((ms) => new Date(Number(ms))),
      ),
    ),
    null,
  ),
  /** base64url of the whole message. */
  raw: z.string().check(z.minLength(1)),
});

/** https://developers.google.com/workspace/gmail/api/reference/rest/v1/users/watch */
export const watchAnswer = z.object({
  historyId,
  /** Epoch milliseconds; int64, a string in JSON. */
  expiration: z.pipe(z.union([digits, z.int()]), z.transform(Number)),
});

/** `stop` answers with nothing: an empty body counts as an empty object. */
export const stopAnswer = z.object({});

export type Profile = z.output<typeof profileAnswer>;
export type HistoryPage = z.output<typeof historyAnswer>;
export type HistoryRecord = HistoryPage['history'][number];
export type MessageList = z.output<typeof messageListAnswer>;
