/**
 * Asks Gmail about messages for the operator's page: which ones match a search, and their headers. Changes nothing in Gmail or
 * in the ledger. Headers are kept in memory, so that a page that refreshes costs no further units.
 * Invariant: neither the words of a search nor a header reaches a log line or an error.
 */
import { Deadline } from '../deadline.ts';
import { type AppError, requiresOperator, toAppError } from '../errors.ts';
import type { CallContext, GmailClient } from '../gmail/gmail-client.ts';
import type { MessageList, MessageMetadata } from '../gmail/response-schemas.ts';
import { callOutsideRun } from '../ingest/call-outside-run.ts';
import {
  createIngestContext,
  type IngestContext,
  type IngestContextOptions,
} from '../ingest/ingest-context.ts';
import { Semaphore } from '../limits/semaphore.ts';

/** Fewer than a run begins with, because both share the limit of the mailbox. */
const MAX_IN_FLIGHT = 4;
const MAX_KEPT_MESSAGES = 500;
/** Of each header. A sender may write 400,000, which would fill the memory of an instance with the kept messages. */
const MAX_HEADER_CHARACTERS = 1_000;
/** A message whose headers Gmail did not return is not asked for again during this time. */
const RETRY_FAILED_MS = 300_000;

export interface MessageHeaders {
  readonly from: string | null;
  readonly to: string | null;
  readonly subject: string | null;
  readonly messageId: string | null;
  /** When Gmail accepted the message. */
  readonly receivedAt: Date | null;
  readonly labelIds: readonly string[];
}

export interface HeadersRead {
  /** `gone`: Gmail has no such message. An id that is missing here is not known. */
  readonly byId: ReadonlyMap<string, MessageHeaders | 'gone'>;
  /** Left for a later request, because there were too many. */
  readonly notAsked: ReadonlySet<string>;
  /** Why some are not known; null when all are, or when Gmail rejects only single messages. */
  readonly error: AppError | null;
}

/** Of one mailbox. Lives as long as its credentials. */
export class MessageLookup {
  readonly #app: IngestContext;
  readonly #gmail: GmailClient;
  readonly #permits = new Semaphore(MAX_IN_FLIGHT);
  /** The last used message is last. */
  readonly #kept = new Map<string, MessageHeaders | 'gone'>();
  readonly #failedAtMs = new Map<string, number>();

  constructor(app: IngestContext, gmail: GmailClient) {
    this.#app = app;
    this.#gmail = gmail;
  }

  /** @returns null without credentials */
  static create(options: IngestContextOptions): MessageLookup | null {
    const app = createIngestContext(options);
    return app.gmail === null ? null : new MessageLookup(app, app.gmail);
  }

  deadlineAfter(ms: number): Deadline {
    return Deadline.after(ms, this.#app.clock);
  }

  /**
   * One page of the ids that match a query, usually newest first, at most 500, spam and trash included. Costs 5 units.
   *
   * @throws {AppError} as every method of `GmailClient`
   */
  async search(
    mailboxId: number,
    page: { readonly query: string; readonly pageToken: string | null },
    deadline: Deadline,
  ): Promise<MessageList> {
    const call = callOutsideRun(this.#app, mailboxId, deadline);
    return await this.#gmail.listMessages(call, { ...page, labelId: null, includeSpamTrash: true });
  }

  /**
   * Headers of messages, each for 20 units unless it is kept in memory. Never fails: an error is part of the result.
   *
   * @param maxCalls asks Gmail for at most this many of them, the first ones
   */
  async readHeaders(
    mailboxId: number,
    ids: readonly string[],
    { deadline, maxCalls }: { readonly deadline: Deadline; readonly maxCalls: number },
  ): Promise<HeadersRead> {
    const call = callOutsideRun(this.#app, mailboxId, deadline);
    const unknown = ids.filter((id) => !this.#kept.has(id) && this.#mayAsk(id));
    const wanted = unknown.slice(0, maxCalls);
    let error: AppError | null = null;
    /** Further calls would fail too. */
    let isFutile = false;
    const readOne = async (id: string): Promise<void> => {
      if (isFutile) return;
      try {
        this.#keep(id, await this.#readOne(call, id));
      } catch (thrown) {
        const failure = toAppError(thrown);
        isFutile ||= requiresOperator(failure.code) || FUTILE_CODES.has(failure.code);
        if (!isFutile) setLast(this.#failedAtMs, id, this.#app.clock());
        if (failure.code !== 'gmail_refused') error ??= failure;
      }
    };
    await Promise.all(wanted.map((id) => this.#permits.run(async () => await readOne(id))));
    return { byId: this.#known(ids), notAsked: new Set(unknown.slice(maxCalls)), error };
  }

  async #readOne(call: CallContext, id: string): Promise<MessageHeaders | 'gone'> {
    try {
      return toHeaders(await this.#gmail.getMetadata(call, id));
    } catch (thrown) {
      if (toAppError(thrown).code === 'message_gone') return 'gone';
      throw thrown;
    }
  }

  #mayAsk(id: string): boolean {
    const failedAtMs = this.#failedAtMs.get(id);
    return failedAtMs === undefined || this.#app.clock() - failedAtMs >= RETRY_FAILED_MS;
  }

  #known(ids: readonly string[]): Map<string, MessageHeaders | 'gone'> {
    const known = new Map<string, MessageHeaders | 'gone'>();
    for (const id of ids) {
      const headers = this.#kept.get(id);
      if (headers === undefined) continue;
      known.set(id, headers);
      this.#keep(id, headers);
    }
    return known;
  }

  #keep(id: string, headers: MessageHeaders | 'gone'): void {
    this.#failedAtMs.delete(id);
    setLast(this.#kept, id, headers);
  }
}

/** Moves the key to the end, and forgets the keys at the beginning that are too many. */
function setLast<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= MAX_KEPT_MESSAGES) return;
    map.delete(oldest);
  }
}

/** Errors of the whole mailbox. Others may be about one message. */
const FUTILE_CODES: ReadonlySet<string> = new Set([
  'gmail_daily_limit',
  'gmail_rate_limited',
  'out_of_time',
  'quota_used_up',
  'database_unavailable',
]);

function toHeaders({ internalDate, labelIds, payload }: MessageMetadata): MessageHeaders {
  const read = (name: string): string | null => {
    const value = payload.headers.find((header) => header.name.toLowerCase() === name)?.value;
    // Copied, because a part of a string keeps the whole string in memory.
    return value === undefined ? null : Buffer.from(value.slice(0, MAX_HEADER_CHARACTERS)).toString();
  };
  return {
    from: read('from'),
    to: read('to'),
    subject: read('subject'),
    messageId: read('message-id'),
    receivedAt: internalDate,
    labelIds,
  };
}
