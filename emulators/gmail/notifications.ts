// Gmail's push notifications, delivered as by a Pub/Sub push subscription. Gmail sends at most one per second per
// user and drops the rest; notifications may be late, duplicated, reordered or lost.
// https://developers.google.com/workspace/gmail/api/guides/push

import { randomUUID } from 'node:crypto';
import type { Random } from '../seeded-random.ts';
import type { EmulatedMailbox } from './emulated-mailbox.ts';
import type { StoredMessage } from './stored-message.ts';
import type { Clock, Timers } from './timers.ts';

export interface NotificationOptions {
  mailbox: EmulatedMailbox;
  /** Returns the current address; an account can be renamed. */
  emailAddress: () => string;
  clock: Clock;
  timers: Timers;
  random: Random;
}

/** The body of a push request. */
export interface PushBody {
  message: {
    data: string;
    messageId: string;
    message_id: string;
    publishTime: string;
    publish_time: string;
    attributes: Record<string, string>;
  };
  subscription: string;
  deliveryAttempt?: number;
}

/** Minimum time between two notifications for one user. */
const rateLimitMs = 1000;

/** Counters since the start or the last reset. */
export interface NotificationCounts {
  published: number;
  /** Not published, because of the rate limit. */
  rateLimited: number;
  /** Published and lost: `dropProbability`, or no push URL. */
  dropped: number;
  attempted: number;
  delivered: number;
  redelivered: number;
  /** Still unacknowledged after the last attempt. */
  abandoned: number;
}

function noCounts(): NotificationCounts {
  return {
    published: 0,
    rateLimited: 0,
    dropped: 0,
    attempted: 0,
    delivered: 0,
    redelivered: 0,
    abandoned: 0,
  };
}

export class Notifications {
  /** The push endpoint; null means that published notifications are lost. */
  url: string | null = null;
  subscription = 'projects/emulated-project/subscriptions/gmail-push';
  /** Extra headers of every push, such as a bearer token. */
  headers: Record<string, string> = {};
  /** At most one notification per second, as Gmail does; false notifies of every change. */
  isRateLimited = true;
  /** Gmail sends the historyId as a number; older descriptions of the format show a string. */
  historyIdAs: 'number' | 'string' = 'number';
  /** Probability that a published notification is never delivered. */
  dropProbability = 0;
  /** Probability that a notification is delivered twice. */
  duplicateProbability = 0;
  /** Delay before the first delivery. */
  delayMs = 0;
  /** Random extra delay up to this value, which reorders notifications. */
  jitterMs = 0;
  /** Attempts before a notification that gets no 2xx response in time is abandoned. */
  maxAttempts = 5;
  firstBackoffMs = 1000;
  maxBackoffMs = 60_000;
  ackDeadlineMs = 60_000;

  counts = noCounts();

  readonly #options: NotificationOptions;
  readonly #inFlight = new Set<Promise<void>>();
  #lastPublishedAtMs = Number.NEGATIVE_INFINITY;
  readonly #closing = new AbortController();
  #nextMessageId = 0;

  constructor(options: NotificationOptions) {
    this.#options = options;
    this.#nextMessageId = options.clock();
    options.mailbox.onChange((message) => {
      if (this.#isWatched(message)) this.publish();
    });
  }

  /** Publishes the current historyId of the mailbox. */
  publish(): void {
    const nowMs = this.#options.clock();
    if (this.isRateLimited && nowMs - this.#lastPublishedAtMs < rateLimitMs) {
      this.counts.rateLimited += 1;
      return;
    }
    this.#lastPublishedAtMs = nowMs;
    this.counts.published += 1;
    if (this.url === null || this.#occurs(this.dropProbability)) {
      this.counts.dropped += 1;
      return;
    }
    const body = this.#pushBody(nowMs);
    const copies = this.#occurs(this.duplicateProbability) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      this.#send(body, 1, this.delayMs + this.#options.random() * this.jitterMs);
    }
  }

  resetCounts(): void {
    this.counts = noCounts();
  }

  /** Resolves when no push request is in flight. Deliveries that wait for a timer do not count. */
  async settled(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
  }

  /** Stops all pushes: aborts those in flight and drops those that wait for a timer. */
  close(): void {
    this.#closing.abort();
  }

  #isWatched(message: StoredMessage): boolean {
    const { watch } = this.#options.mailbox;
    if (watch === null || watch.expiresAtMs <= this.#options.clock()) return false;
    if (watch.labelIds.length === 0) return true;
    const has = watch.labelIds.some((label) => message.labelIds.has(label));
    return has === (watch.labelFilterBehavior === 'include');
  }

  #occurs(probability: number): boolean {
    return probability > 0 && this.#options.random() < probability;
  }

  #pushBody(nowMs: number): PushBody {
    const { emailAddress, mailbox } = this.#options;
    const historyId = mailbox.history.current.toString();
    // Not JSON.stringify: the id may exceed the precision of a JavaScript number.
    const written = this.historyIdAs === 'number' ? historyId : `"${historyId}"`;
    const data = `{"emailAddress":${JSON.stringify(emailAddress())},"historyId":${written}}`;
    this.#nextMessageId += 1;
    const messageId = String(this.#nextMessageId);
    const publishTime = new Date(nowMs).toISOString();
    return {
      message: {
        data: Buffer.from(data).toString('base64'),
        messageId,
        message_id: messageId,
        publishTime,
        publish_time: publishTime,
        attributes: {},
      },
      subscription: this.subscription,
    };
  }

  #send(body: PushBody, attempt: number, delayMs: number): void {
    if (delayMs > 0) {
      this.#options.timers.after(delayMs, () => this.#send(body, attempt, 0));
      return;
    }
    if (this.#closing.signal.aborted) return;
    const sending = this.#attempt(body, attempt).finally(() => this.#inFlight.delete(sending));
    this.#inFlight.add(sending);
  }

  async #attempt(body: PushBody, attempt: number): Promise<void> {
    this.counts.attempted += 1;
    if (attempt > 1) this.counts.redelivered += 1;
    if (await this.#post(body)) {
      this.counts.delivered += 1;
    } else if (attempt >= this.maxAttempts) {
      this.counts.abandoned += 1;
    } else {
      const backoffMs = Math.min(this.firstBackoffMs * 2 ** (attempt - 1), this.maxBackoffMs);
      this.#send(body, attempt + 1, backoffMs);
    }
  }

  /** True if the receiver acknowledged. */
  async #post(body: PushBody): Promise<boolean> {
    if (this.url === null) return false;
    try {
      const response = await fetch(this.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-request-id': randomUUID(), ...this.headers },
        body: JSON.stringify(body),
        signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(this.ackDeadlineMs)]),
      });
      await response.body?.cancel();
      return response.ok;
    } catch {
      return false;
    }
  }
}
