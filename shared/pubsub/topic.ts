/** A topic of Pub/Sub. Google's client is loaded at the first publish. */
import type { Topic } from '@google-cloud/pubsub';
import { AppError, type ErrorCode } from '../errors.ts';
import { credentialsProblem } from '../google/credentials-problem.ts';
import { rpcCode } from '../google/rpc-code.ts';
import { withTimeout } from '../timeout.ts';

/** Two attempts, because the first may use a connection that died while the instance was frozen. */
const CALL_OPTIONS = { timeout: 4_000, maxRetries: 2 };

/** google.rpc.Code of errors that an operator has to fix: INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, UNAUTHENTICATED. */
const OPERATOR_CODES: readonly (number | null)[] = [3, 5, 7, 16];

export interface TopicMessage {
  readonly data: Buffer;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface TopicOptions {
  /** `projects/P/topics/T` */
  readonly name: string;
  /** `host:port`; null for Google. */
  readonly emulatorHost: string | null;
  /** Messages per request, at most 1,000. */
  readonly maxBatch: number;
  /** Codes of a failure: an operator has to fix it, or a later call may succeed. */
  readonly errors: { readonly denied: ErrorCode; readonly unavailable: ErrorCode };
}

export interface Published {
  /** By message: Pub/Sub has acknowledged it. */
  readonly acknowledged: readonly boolean[];
  /** Why the first of the others was not; null when all were. */
  readonly error: AppError | null;
}

export class PubSubTopic {
  readonly #options: TopicOptions;
  #opened: Promise<Topic> | null = null;

  constructor(options: TopicOptions) {
    this.#options = options;
  }

  /**
   * Publishes the messages, in this order if they have an ordering key. Never rejects because of Pub/Sub.
   *
   * @param orderingKey null for none
   */
  async publish(
    messages: readonly TopicMessage[],
    orderingKey: string | null,
    timeoutMs: number,
  ): Promise<Published> {
    // Loading takes CPU time only, so it does not count against the timeout.
    const { createPubSub } = await import('../google/pubsub.ts');
    const work = async (): Promise<Published> => {
      const { name, emulatorHost, maxBatch } = this.#options;
      this.#opened ??= createPubSub(name.split('/')[1] ?? '', emulatorHost).then((client) =>
        client.topic(name, {
          messageOrdering: orderingKey !== null,
          batching: { maxMessages: maxBatch, maxMilliseconds: 0 },
          gaxOpts: CALL_OPTIONS,
        }),
      );
      const topic = await this.#opened;
      const key = orderingKey === null ? {} : { orderingKey };
      const results = await Promise.allSettled(
        messages.map(async (message) => await topic.publishMessage({ ...message, ...key })),
      );
      const failed = results.find((result) => result.status === 'rejected');
      // Otherwise the client rejects all later messages with this key.
      if (failed !== undefined && orderingKey !== null) topic.resumePublishing(orderingKey);
      return {
        acknowledged: results.map(({ status }) => status === 'fulfilled'),
        error: failed === undefined ? null : this.#toError(failed.reason),
      };
    };
    try {
      return await withTimeout(timeoutMs, work(), () => new Error(`No answer within ${timeoutMs} ms`));
    } catch (error) {
      this.#opened = null;
      return { acknowledged: messages.map(() => false), error: this.#toError(error) };
    }
  }

  /** Google's messages name the topic and the permission, never what was sent. */
  #toError(error: unknown): AppError {
    // Before its code: the client reports rejected credentials as an invalid argument.
    const problem = credentialsProblem(error);
    if (problem !== null)
      return new AppError('google_credentials_missing', `${this.#options.name}: ${problem}.`);
    const { denied, unavailable } = this.#options.errors;
    const code = OPERATOR_CODES.includes(rpcCode(error)) ? denied : unavailable;
    return new AppError(code, error instanceof Error ? error.message : typeof error, { cause: error });
  }
}
