/**
 * The Gmail mailbox as ingest sees it: six calls, each retried within the deadline, paid for before it is made,
 * checked when it is answered.
 */
import type { GmailCredentials } from '../credentials.ts';
import type { Deadline } from '../deadline.ts';
import { AppError, needsPerson } from '../errors.ts';
import { type Random, type RetryPolicy, realSleep, type Sleep, withRetries } from '../retry.ts';
import { createAccess } from './access.ts';
import {
  type HistoryPage,
  historyAnswer,
  type MessageList,
  messageListAnswer,
  type Profile,
  profileAnswer,
  rawMessageAnswer,
  stopAnswer,
  watchAnswer,
} from './answers.ts';
import { isForConcurrency, noAnswer } from './gmail-error.ts';
import { Pacer } from './pacer.ts';
import { type GmailMethod, UNITS } from './prices.ts';
import { type Call, callGmail } from './transport.ts';

/** Gmail asks for a second at least, doubled, with jitter. Four calls are about ten seconds. */
const RETRIES: RetryPolicy = { attempts: 4, baseMs: 1_000, capMs: 32_000 };
/** The most that one page may hold. */
const PAGE_SIZE = 500;

/** What a run gives to each call: its time, its purse, its counters. */
export interface CallContext {
  readonly deadline: Deadline;
  /** Resolves when the units are taken from the budget; rejects with out_of_time when they cannot be had in time. */
  readonly pay: (units: number) => Promise<void>;
  /** Gmail has refused a call for its rate: for its units, or for the calls in flight. */
  readonly onRefused?: (isForUnits: boolean) => void;
  /**
   * Awaited before the paying for each call, for a place in flight. What it gives is called when the call has ended, and told
   * whether there was an answer.
   */
  readonly enter?: () => Promise<(hasAnswer: boolean) => void>;
}

export interface RawMessage {
  readonly id: string;
  readonly threadId: string | null;
  readonly labelIds: readonly string[];
  /** When Gmail accepted it; null when Gmail did not say. */
  readonly internalDate: Date | null;
  /** The exact bytes. */
  readonly raw: Uint8Array;
}

export interface GmailClient {
  /** Calls in flight that the mailbox bears; lives as long as the client. */
  readonly pacer: Pacer;
  getProfile(context: CallContext): Promise<Profile>;
  /**
   * Everything after `startHistoryId`, in order, 500 records a page at most; pages may be empty and go on.
   *
   * @throws {AppError} history_expired
   */
  listHistory(
    context: CallContext,
    page: { readonly startHistoryId: string; readonly pageToken: string | null },
  ): Promise<HistoryPage>;
  /** Ids that match a query, newest first as a rule, 500 a page at most. */
  listMessages(
    context: CallContext,
    page: { readonly query: string; readonly labelId: string | null; readonly pageToken: string | null },
  ): Promise<MessageList>;
  /**
   * @param onLarge awaited before a large body is read; hold it until the message is dealt with
   * @throws {AppError} message_gone
   */
  getRawMessage(context: CallContext, id: string, onLarge: () => Promise<void>): Promise<RawMessage>;
  /**
   * Tells Gmail to publish every change to the topic, for seven days. May be called again; the newest call counts.
   *
   * @param topic `projects/P/topics/T`
   * @throws {AppError} watch_denied, watch_topic_wrong
   */
  watch(context: CallContext, topic: string): Promise<{ readonly expiresAt: Date }>;
  /** Ends every watch of the mailbox. May be called again. */
  stopWatch(context: CallContext): Promise<void>;
}

export interface GmailClientOptions {
  readonly credentials: GmailCredentials;
  /** Null means Google's. */
  readonly rootUrl: string | null;
  readonly tokenUrl: string | null;
  readonly random?: Random;
  readonly sleep?: Sleep;
  readonly pacer?: Pacer;
  /** Told each time that Google does not take the credentials: others may have been stored meanwhile. */
  readonly onCredentialsRefused?: () => void;
}

export function createGmailClient(options: GmailClientOptions): GmailClient {
  const access = createAccess(options.credentials, options.tokenUrl);
  const connection = { access, rootUrl: options.rootUrl };
  const pacer = options.pacer ?? new Pacer();

  const once = async <T>(context: CallContext, asked: Call<T>): Promise<T> => {
    await context.pay(UNITS[asked.method]);
    const { round } = pacer;
    try {
      return await callGmail(connection, asked);
    } catch (error) {
      if (error instanceof AppError && error.code === 'gmail_rate_limited') {
        pacer.refused(round);
        context.onRefused?.(!isForConcurrency(error));
      }
      if (error instanceof AppError && needsPerson(error.code)) options.onCredentialsRefused?.();
      throw error;
    }
  };
  const call = async <T>(
    context: CallContext,
    method: GmailMethod,
    rest: Pick<Call<T>, 'request' | 'schema' | 'onLarge' | 'mayBeEmpty'>,
  ): Promise<T> =>
    await withRetries(
      // Paid in its place: what waited for one after the paying would reach Gmail later than it is booked.
      async () =>
        await inPlace(
          context,
          async () => await once(context, { method, deadline: context.deadline, ...rest }),
        ),
      {
        policy: RETRIES,
        deadline: context.deadline,
        random: options.random ?? Math.random,
        sleep: options.sleep ?? realSleep,
      },
    );

  return {
    pacer,
    getProfile: async (context) =>
      await call(context, 'users.getProfile', { schema: profileAnswer, request: { path: 'profile' } }),
    listHistory: async (context, page) =>
      await call(context, 'users.history.list', {
        schema: historyAnswer,
        request: {
          path: 'history',
          query: {
            startHistoryId: page.startHistoryId,
            // No labelId: it would hide what a filter files away at once.
            historyTypes: ['messageAdded', 'labelAdded', 'labelRemoved'],
            maxResults: PAGE_SIZE,
            ...pageToken(page.pageToken),
          },
        },
      }),
    listMessages: async (context, page) =>
      await call(context, 'users.messages.list', {
        schema: messageListAnswer,
        request: {
          path: 'messages',
          query: {
            q: page.query,
            maxResults: PAGE_SIZE,
            ...(page.labelId === null ? {} : { labelIds: [page.labelId] }),
            ...pageToken(page.pageToken),
          },
        },
      }),
    getRawMessage: async (context, id, onLarge) => {
      const answer = await call(context, 'users.messages.get', {
        schema: rawMessageAnswer,
        onLarge,
        request: {
          path: `messages/${encodeURIComponent(id)}`,
          query: { format: 'raw', fields: 'id,threadId,labelIds,internalDate,raw' },
          isUncompressed: true,
        },
      });
      return {
        id,
        threadId: answer.threadId ?? null,
        labelIds: answer.labelIds,
        internalDate: answer.internalDate,
        raw: decodeRaw(answer.raw),
      };
    },
    watch: async (context, topic) => {
      const answer = await call(context, 'users.watch', {
        schema: watchAnswer,
        // No labelIds: every change rings; what counts is told by the history.
        request: { path: 'watch', post: { topicName: topic } },
      });
      return { expiresAt: new Date(answer.expiration) };
    },
    stopWatch: async (context) => {
      await call(context, 'users.stop', {
        schema: stopAnswer,
        mayBeEmpty: true,
        request: { path: 'stop', post: null },
      });
    },
  };
}

function pageToken(token: string | null): { pageToken?: string } {
  return token === null ? {} : { pageToken: token };
}

/** Node skips what is not base64: a decoded length that is too short betrays it. A single last digit is half a byte. */
function decodeRaw(encoded: string): Buffer {
  const raw = Buffer.from(encoded, 'base64url');
  const digits = encoded.length - (encoded.endsWith('==') ? 2 : encoded.endsWith('=') ? 1 : 0);
  if (digits % 4 === 1 || raw.length !== Math.floor((digits * 3) / 4)) {
    throw noAnswer('users.messages.get', 'the raw message is not base64url');
  }
  return raw;
}

async function inPlace<T>({ enter }: CallContext, work: () => Promise<T>): Promise<T> {
  const leave = await enter?.();
  let hasAnswer = false;
  try {
    const answer = await work();
    hasAnswer = true;
    return answer;
  } finally {
    leave?.(hasAnswer);
  }
}
