/**
 * The answers of Gmail that are read, in Gmail's form, and nothing of them that is not used.
 * Source: https://developers.google.com/workspace/gmail/api/reference/rest
 */
import * as z from 'zod';

/** uint64: a string in JSON; a number where a server is careless. */
const historyId = z.union([z.string().regex(/^\d+$/), z.number().int().nonnegative()]).transform(String);
const token = z
  .string()
  .optional()
  .transform((value) => value || null);

export const profileAnswer = z.object({ emailAddress: z.string().min(3), historyId });

const historyMessage = z.object({ id: z.string().min(1), labelIds: z.array(z.string()).optional() });
const labelChange = z.object({ message: historyMessage, labelIds: z.array(z.string()).default([]) });

export const historyAnswer = z.object({
  historyId,
  nextPageToken: token,
  // Absent when nothing changed.
  history: z
    .array(
      z.object({
        id: historyId,
        messagesAdded: z.array(z.object({ message: historyMessage })).default([]),
        labelsAdded: z.array(labelChange).default([]),
        labelsRemoved: z.array(labelChange).default([]),
      }),
    )
    .default([]),
});

export const messageListAnswer = z.object({
  messages: z.array(z.object({ id: z.string().min(1) })).default([]),
  nextPageToken: token,
});

export const rawMessageAnswer = z.object({
  id: z.string().min(1),
  threadId: z.string().optional(),
  labelIds: z.array(z.string()).default([]),
  /** Epoch milliseconds, negative for an imported mail that claims to be older. A garbled one loses no mail. */
  internalDate: z
    .string()
    .regex(/^-?\d{1,15}$/)
    .transform((ms) => new Date(Number(ms)))
    .nullable()
    .catch(null),
  /** base64url of the whole message. */
  raw: z.string().min(1),
});

/** https://developers.google.com/workspace/gmail/api/reference/rest/v1/users/watch */
export const watchAnswer = z.object({
  historyId,
  /** Epoch milliseconds; int64, a string in JSON. */
  expiration: z.union([z.string().regex(/^\d+$/), z.number().int()]).transform(Number),
});

/** `stop` answers with nothing: an empty body counts as an empty object. */
export const stopAnswer = z.object({});

export type Profile = z.output<typeof profileAnswer>;
export type HistoryPage = z.output<typeof historyAnswer>;
export type HistoryRecord = HistoryPage['history'][number];
export type MessageList = z.output<typeof messageListAnswer>;
