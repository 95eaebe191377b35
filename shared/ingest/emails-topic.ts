/**
 * The topic of EMAILS_PUBSUB_TOPIC: one message per stored email, with its ids and without mail content. Google's client is
 * loaded at the first publish.
 */
import type { Topic } from '@google-cloud/pubsub';
import type { UnpublishedEmail } from '../db/email-outbox.ts';
import { AppError, type ErrorCode } from '../errors.ts';
import { rpcCode } from '../rpc-code.ts';
import { withTimeout } from '../timeout.ts';

/** Emails per call: the library sends them in one request. */
export const MAX_BATCH = 100;
/** Two attempts, because the first may use a connection that died while the instance was frozen. */
const CALL_OPTIONS = { timeout: 4_000, maxRetries: 2 };

/** google.rpc.Code of errors that an operator has to fix: INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, UNAUTHENTICATED. */
const OPERATOR_CODES: readonly (number | null)[] = [3, 5, 7, 16];

export class EmailsTopic {
  readonly #name: string;
  readonly #emulatorHost: string | null;
  #opened: Promise<Topic> | null = null;

  /** @param name `projects/P/topics/T` @param emulatorHost `host:port`, null for Google */
  constructor(name: string, emulatorHost: string | null) {
    this.#name = name;
    this.#emulatorHost = emulatorHost;
  }

  /**
   * Publishes one message per email, in this order.
   *
   * @param emails at most `MAX_BATCH`, of one mailbox
   * @returns the ids of the outbox rows whose message was acknowledged, and why another was not
   */
  async publish(
    orderingKey: string,
    emails: readonly UnpublishedEmail[],
    timeoutMs: number,
  ): Promise<{ readonly ids: number[]; readonly error: AppError | null }> {
    // Loading takes CPU time only, so it does not count against the timeout.
    const { createPubSub } = await import('./emails-topic-client.ts');
    const work = async () => {
      this.#opened ??= createPubSub(this.#name.split('/')[1] ?? '', this.#emulatorHost).then((client) =>
        client.topic(this.#name, {
          messageOrdering: true,
          batching: { maxMessages: MAX_BATCH, maxMilliseconds: 0 },
          gaxOpts: CALL_OPTIONS,
        }),
      );
      const topic = await this.#opened;
      const results = await Promise.allSettled(
        emails.map(async (email) => await topic.publishMessage({ ...messageOf(email), orderingKey })),
      );
      const failed = results.find((result) => result.status === 'rejected');
      // Otherwise the client rejects all later messages with this key.
      if (failed !== undefined) topic.resumePublishing(orderingKey);
      const ids = emails.filter((_email, at) => results[at]?.status === 'fulfilled').map(({ id }) => id);
      return { ids, error: failed === undefined ? null : toTopicError(failed.reason) };
    };
    try {
      return await withTimeout(timeoutMs, work(), () => new Error(`No answer within ${timeoutMs} ms`));
    } catch (error) {
      this.#opened = null;
      return { ids: [], error: toTopicError(error) };
    }
  }
}

/** The attributes are the contract with consumers. The data repeats the id for subscribers that require data. */
function messageOf(email: UnpublishedEmail) {
  return {
    data: Buffer.from(JSON.stringify({ email_id: email.email_id })),
    attributes: {
      email_id: String(email.email_id),
      mailbox: email.mailbox,
      gmail_message_id: email.gmail_message_id,
      has_attachments: String(email.has_attachments),
    },
  };
}

/** Google's messages name the topic and the permission, never what was sent. */
function toTopicError(error: unknown): AppError {
  const code: ErrorCode = OPERATOR_CODES.includes(rpcCode(error))
    ? 'emails_topic_denied'
    : 'emails_topic_unavailable';
  return new AppError(code, error instanceof Error ? error.message : typeof error, { cause: error });
}
