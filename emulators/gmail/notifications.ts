// Gmail's push notifications as a Pub/Sub push subscription hands them over. Gmail promises little: at most
// one a second and user with the excess dropped, late, twice, out of order or not at all.
// https://developers.google.com/workspace/gmail/api/guides/push

import { randomUUID } from 'node:crypto';
import type { Mailbox } from './mailbox.ts';
import type { Random } from './random.ts';
import type { StoredMessage } from './stored-message.ts';
import type { Clock, Timers } from './timers.ts';

export interface NotificationOptions {
  mailbox: Mailbox;
  /** As it is now: an account can be renamed. */
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

/** Shortest time between two notifications of one user. */
const rateLimitMs = 1000;

/** What became of the notifications since the start or the last reset. */
export interface NotificationCounts {
  published: number;
  /** Never published: the user had one less than a second before. */
  rateLimited: number;
  /** Published and lost, by chance or because there is no receiver. */
  dropped: number;
  attempted: number;
  delivered: number;
  redelivered: number;
  /** Given up after the last attempt. */
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
  /** Where to push; null = nobody listens, and what is published is lost. */
  url: string | null = null;
  subscription = 'projects/emulated-project/subscriptions/gmail-push';
  /** Sent with every push, for a receiver that wants a bearer token. */
  headers: Record<string, string> = {};
  /** At most one a second, as Gmail; false = each change notifies. */
  isRateLimited = true;
  /** Gmail writes the historyId as a number, older accounts of it as a string. */
  historyIdAs: 'number' | 'string' = 'number';
  /** From 0 to 1: published and never delivered. */
  dropProbability = 0;
  /** From 0 to 1: delivered twice. */
  duplicateProbability = 0;
  /** Waits that long before the first delivery. */
  delayMs = 0;
  /** Waits by chance up to this much longer, so that notifications overtake each other. */
  jitterMs = 0;
  /** Attempts until a notification is given up that nobody answers with 2xx in time. */
  maxAttempts = 5;
  firstBackoffMs = 1000;
  maxBackoffMs = 60_000;
  ackDeadlineMs = 60_000;

  counts = noCounts();

  readonly #options: NotificationOptions;
  readonly #underway = new Set<Promise<void>>();
  #lastAtMs = Number.NEGATIVE_INFINITY;
  readonly #closing = new AbortController();
  #nextMessageId = 0;

  constructor(options: NotificationOptions) {
    this.#options = options;
    this.#nextMessageId = options.clock();
    options.mailbox.onChange((message) => {
      if (this.#isWatched(message)) this.announce();
    });
  }

  /** Publishes the mailbox's present historyId. */
  announce(): void {
    const nowMs = this.#options.clock();
    if (this.isRateLimited && nowMs - this.#lastAtMs < rateLimitMs) {
      this.counts.rateLimited += 1;
      return;
    }
    this.#lastAtMs = nowMs;
    this.counts.published += 1;
    if (this.url === null || this.#happens(this.dropProbability)) {
      this.counts.dropped += 1;
      return;
    }
    const body = this.#pushBody(nowMs);
    const copies = this.#happens(this.duplicateProbability) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      this.#send(body, 1, this.delayMs + this.#options.random() * this.jitterMs);
    }
  }

  resetCounts(): void {
    this.counts = noCounts();
  }

  /** Resolves when no push request is underway; those that wait for a timer do not count. */
  async settled(): Promise<void> {
    while (this.#underway.size > 0) await Promise.all(this.#underway);
  }

  /** No further push, whatever still waits. */
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

  #happens(probability: number): boolean {
    return probability > 0 && this.#options.random() < probability;
  }

  #pushBody(nowMs: number): PushBody {
    const { emailAddress, mailbox } = this.#options;
    const historyId = mailbox.history.current.toString();
    // Written by hand: as a number the id may have more digits than a JavaScript number keeps.
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
    const sending = this.#attempt(body, attempt).finally(() => this.#underway.delete(sending));
    this.#underway.add(sending);
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

  /** True when the receiver acknowledged. */
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
