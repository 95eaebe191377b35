/** The topic of EMAILS_PUBSUB_TOPIC: one message per stored email, with its ids and without mail content. */

import { CircuitBreaker } from '../circuit-breaker.ts';
import { type Clock, monotonicClock } from '../deadline.ts';
import type { AppError } from '../errors.ts';
import { PubSubTopic } from '../pubsub/topic.ts';
import type { UnpublishedEmail } from './email-outbox.ts';

/** Emails per call: the library sends them in one request. */
export const MAX_BATCH = 100;
/** A failure that took this long is a topic that hangs. A quick one delays no mailbox. */
const HANG_MS = 2_000;

export class EmailsTopic {
  readonly #topic: PubSubTopic;
  readonly #clock: Clock;
  readonly #breaker: CircuitBreaker;

  /** @param name `projects/P/topics/T` @param emulatorHost `host:port`, null for Google */
  constructor(name: string, emulatorHost: string | null, clock: Clock = monotonicClock) {
    this.#clock = clock;
    this.#breaker = new CircuitBreaker(clock);
    const errors = { denied: 'emails_topic_denied', unavailable: 'emails_topic_unavailable' } as const;
    this.#topic = new PubSubTopic({ name, emulatorHost, maxBatch: MAX_BATCH, errors });
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
    if (this.#breaker.error !== null) return { ids: [], error: this.#breaker.error };
    const startedMs = this.#clock();
    const { acknowledged, error } = await this.#topic.publish(emails.map(messageOf), orderingKey, timeoutMs);
    if (error !== null && this.#clock() - startedMs >= HANG_MS) this.#breaker.open(error);
    return { ids: emails.filter((_email, at) => acknowledged[at]).map(({ id }) => id), error };
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
