/**
 * The Gmail API client of ingest. Every attempt reserves its quota units first and is bounded by the deadline. Every answer
 * is validated. The caller decides how many calls run at once (`shared/limits`).
 */
import type { Deadline } from '../deadline.ts';
import { AppError, type ErrorCode, requiresOperator } from '../errors.ts';
import type { MailboxAccess } from '../mailbox-access.ts';
import { type Random, type RetryPolicy, realSleep, type Sleep, withRetries } from '../retry.ts';
import { type Connection, connect, type GmailCall, readAnswer, sendRequest } from './authorized-request.ts';
import { noAnswer } from './gmail-error.ts';
import { QUOTA_COSTS } from './quota-costs.ts';
import { decodeRaw } from './response-body.ts';
import {
  type HistoryPage,
  historyPageSchema,
  type Label,
  labelListSchema,
  type MessageList,
  type MessageMetadata,
  messageListSchema,
  metadataSchema,
  type Profile,
  profileSchema,
  rawMessageSchema,
  stopSchema,
  watchSchema,
} from './response-schemas.ts';

/** Gmail asks for exponential backoff from one second, with jitter. Four attempts take about ten seconds. */
const RETRY_POLICY: RetryPolicy = { attempts: 4, baseMs: 1_000, capMs: 32_000 };
/** Gmail's maximum. */
const PAGE_SIZE = 500;
/** With these errors Gmail has served the call, so it does not limit the rate. */
const SERVED_ERRORS: ReadonlySet<ErrorCode> = new Set(['message_gone', 'gmail_refused', 'history_expired']);
/** The mailbox of the token. */
const userId = 'me';

/** What a person recognizes a message by. The Message-ID is the same in the mailbox of every recipient. */
const METADATA_HEADERS = ['From', 'To', 'Subject', 'Message-ID'];

/** What an invocation passes to each call. */
export interface CallContext {
  readonly deadline: Deadline;
  /**
   * Resolves when the units of one call are reserved. Rejects with quota_used_up when they are not available before the
   * deadline. Called before every attempt.
   */
  readonly acquireUnits: (units: number) => Promise<void>;
  /** Called when Gmail rate-limits a call. */
  readonly onRateLimited?: (error: AppError) => void;
  /** Called with the price of each call that Gmail answers; 0 for a rejected access token, which is replaced. */
  readonly onSuccess?: (units: number) => void;
}

export interface RawMessage {
  readonly id: string;
  readonly threadId: string | null;
  readonly labelIds: readonly string[];
  /** When Gmail accepted the message; null when Gmail did not say. */
  readonly internalDate: Date | null;
  /** The exact bytes. */
  readonly raw: Uint8Array;
}

/**
 * Every method @throws {AppError} gmail_rate_limited, gmail_daily_limit, gmail_unavailable, gmail_refused, out_of_time,
 * quota_used_up, and any code of `requiresOperator`. `retryAfterMs` of the error is Gmail's Retry-After, even beyond the deadline.
 * Every method except `getRawMessage` and `getMetadata` makes up to four attempts.
 */
export interface GmailClient {
  getProfile(context: CallContext): Promise<Profile>;
  /**
   * Returns the records after `startHistoryId`, oldest first, at most 500 per page. A page can be empty and still have a
   * next page. The record of a deletion names no message.
   *
   * @throws {AppError} history_expired
   */
  listHistory(
    context: CallContext,
    page: { readonly startHistoryId: string; readonly pageToken: string | null },
  ): Promise<HistoryPage>;
  /** Returns the ids that match a query, usually newest first, at most 500 per page. */
  listMessages(
    context: CallContext,
    page: {
      readonly query: string;
      readonly labelId: string | null;
      readonly pageToken: string | null;
      /** Default: false. */
      readonly includeSpamTrash?: boolean;
    },
  ): Promise<MessageList>;
  /** Returns all labels of the mailbox, system labels included. */
  listLabels(context: CallContext): Promise<Label[]>;
  /**
   * Returns a message with its exact bytes. The caller has reserved the units of the first attempt with its batch, so
   * `acquireUnits` is called only for a repeat. A 5xx without Retry-After is repeated once, immediately. The ledger
   * schedules all other retries, so that a failing message does not occupy a slot.
   *
   * @param onLarge awaited before more than 1 MiB of the answer is read; the caller serializes large messages with it
   * @throws {AppError} message_gone
   */
  getRawMessage(context: CallContext, id: string, onLarge: () => Promise<void>): Promise<RawMessage>;
  /**
   * Returns the labels, the time and four headers of a message: From, To, Subject and Message-ID. Reserves its own units, and
   * is repeated once, immediately, after a 5xx without Retry-After.
   *
   * @throws {AppError} message_gone
   */
  getMetadata(context: CallContext, id: string): Promise<MessageMetadata>;
  /**
   * Makes Gmail publish every change to the topic for seven days. May be called again; the newest call counts.
   *
   * @param topic `projects/P/topics/T`
   * @throws {AppError} watch_denied, watch_topic_wrong, watch_conflict
   */
  watch(context: CallContext, topic: string): Promise<{ readonly expiresAt: Date }>;
  /** Ends every watch of the mailbox. May be called again. */
  stopWatch(context: CallContext): Promise<void>;
}

export interface GmailClientOptions {
  readonly access: MailboxAccess;
  /** Null for Google's. */
  readonly rootUrl: string | null;
  readonly tokenUrl: string | null;
  /** Of the IAM Credentials API, for a delegation. */
  readonly iamRootUrl?: string | null;
  readonly random?: Random;
  readonly sleep?: Sleep;
  /** Called whenever Google rejects the credentials: an operator may have stored new ones. */
  readonly onCredentialsRejected?: () => void;
}

export function createGmailClient(options: GmailClientOptions): GmailClient {
  const { access, random = Math.random, sleep = realSleep } = options;
  let connecting: Promise<Connection> | null = null;

  /** One attempt, with up to two immediate repeats: with a fresh token after a 401, and after a 5xx of a message. */
  const attempt = async <T>(context: CallContext, call: GmailCall<T>): Promise<T> => {
    let areUnitsReserved = call.isRaw === true;
    let mayRefresh = true;
    let mayRepeat = call.method === 'users.messages.get';
    for (;;) {
      if (!areUnitsReserved) await context.acquireUnits(QUOTA_COSTS[call.method]);
      areUnitsReserved = false;
      connecting ??= connect(access, options);
      const connection = await connecting;
      const answer = await sendRequest(connection, call, context.deadline);
      if (answer.status === 401 && mayRefresh) {
        // Revoked, or expired by Google's clock.
        mayRefresh = false;
        connection.tokens.invalidateToken(answer.token);
        // It says nothing about the rate, so a single call after a rate limit may be repeated at once.
        context.onSuccess?.(0);
      } else if (answer.status >= 500 && answer.retryAfter === null && mayRepeat) {
        mayRepeat = false;
      } else {
        return readAnswer(call, answer);
      }
    }
  };
  const reported = async <T>(context: CallContext, call: GmailCall<T>): Promise<T> => {
    try {
      const value = await attempt(context, call);
      context.onSuccess?.(QUOTA_COSTS[call.method]);
      return value;
    } catch (error) {
      if (error instanceof AppError && SERVED_ERRORS.has(error.code))
        context.onSuccess?.(QUOTA_COSTS[call.method]);
      if (error instanceof AppError && error.code === 'gmail_rate_limited') context.onRateLimited?.(error);
      if (error instanceof AppError && requiresOperator(error.code)) options.onCredentialsRejected?.();
      throw error;
    }
  };
  const retried = async <T>(context: CallContext, call: GmailCall<T>): Promise<T> =>
    await withRetries(async () => await reported(context, call), {
      policy: RETRY_POLICY,
      deadline: context.deadline,
      random,
      sleep,
    });

  return {
    getProfile: async (context) =>
      await retried(context, {
        method: 'users.getProfile',
        schema: profileSchema,
        send: async (users, options) => await users.getProfile({ userId }, options),
      }),
    listHistory: async (context, { startHistoryId, pageToken }) =>
      await retried(context, {
        method: 'users.history.list',
        schema: historyPageSchema,
        send: async (users, options) =>
          await users.history.list(
            {
              userId,
              startHistoryId,
              // No labelId: it would hide messages that a filter archives on arrival.
              // Deletions are included because a push can announce the historyId of one.
              historyTypes: ['messageAdded', 'messageDeleted', 'labelAdded', 'labelRemoved'],
              maxResults: PAGE_SIZE,
              ...(pageToken === null ? {} : { pageToken }),
            },
            options,
          ),
      }),
    listMessages: async (context, { query, labelId, pageToken, includeSpamTrash = false }) =>
      await retried(context, {
        method: 'users.messages.list',
        schema: messageListSchema,
        send: async (users, options) =>
          await users.messages.list(
            {
              userId,
              q: query,
              maxResults: PAGE_SIZE,
              ...(labelId === null ? {} : { labelIds: [labelId] }),
              ...(pageToken === null ? {} : { pageToken }),
              ...(includeSpamTrash ? { includeSpamTrash } : {}),
            },
            options,
          ),
      }),
    listLabels: async (context) => {
      const { labels } = await retried(context, {
        method: 'users.labels.list',
        schema: labelListSchema,
        send: async (users, options) =>
          await users.labels.list({ userId, fields: 'labels(id,name)' }, options),
      });
      return labels;
    },
    getRawMessage: async (context, id, onLarge) => {
      const message = await reported(context, {
        method: 'users.messages.get',
        schema: rawMessageSchema,
        isRaw: true,
        onLarge,
        send: async (users, options) =>
          await users.messages.get(
            { userId, id, format: 'raw', fields: 'id,threadId,labelIds,internalDate,raw' },
            options,
          ),
      });
      // Stored under this id, it would take the place of the right message.
      if (message.id !== id) throw noAnswer('users.messages.get', 'the answer is for another message');
      return {
        id,
        threadId: message.threadId ?? null,
        labelIds: message.labelIds,
        internalDate: message.internalDate,
        raw: decodeRaw(message.raw),
      };
    },
    getMetadata: async (context, id) =>
      await reported(context, {
        method: 'users.messages.get',
        schema: metadataSchema,
        send: async (users, options) =>
          await users.messages.get(
            {
              userId,
              id,
              format: 'metadata',
              metadataHeaders: METADATA_HEADERS,
              fields: 'id,labelIds,internalDate,payload/headers',
            },
            options,
          ),
      }),
    watch: async (context, topicName) => {
      const { expiration } = await retried(context, {
        method: 'users.watch',
        schema: watchSchema,
        // No labelIds: Gmail publishes every change, and the history shows which ones matter.
        send: async (users, options) => await users.watch({ userId, requestBody: { topicName } }, options),
      });
      return { expiresAt: new Date(expiration) };
    },
    stopWatch: async (context) => {
      await retried(context, {
        method: 'users.stop',
        schema: stopSchema,
        // googleapis types this answer as empty. With `responseType: 'stream'` it is a stream like the others.
        send: async (users, options) => await users.stop({ userId }, options),
      });
    },
  };
}
