/**
 * A small emulated Pub/Sub: topics to which Google's client publishes by REST, and one push subscription. It delivers as
 * Pub/Sub promises and no better: at least once, in any order, again after an error. It keeps messages in memory.
 * https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/publish
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../emulators/seeded-random.ts';

export const WORK_TOPIC = 'projects/emulated-project/topics/work';

export interface WorkMessage {
  readonly messageId: string;
  /** In base64. */
  readonly data: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** @returns the HTTP status of the receiver; null when there is none at the moment */
export type Receiver = (body: unknown, timeoutMs: number) => Promise<number | null>;

/** Each may be changed at any time. */
export interface WorkFaults {
  /** Publish requests get 503 and nothing is published. */
  isDown: boolean;
  /** The messages are published, but the answer is lost. */
  lostAnswerProbability: number;
  duplicateProbability: number;
  /** A random delay up to this, which reorders messages. */
  jitterMs: number;
}

export const NO_WORK_FAULTS: WorkFaults = {
  isDown: false,
  lostAnswerProbability: 0,
  duplicateProbability: 0,
  jitterMs: 0,
};

export interface WorkTopicOptions {
  readonly receive: Receiver;
  readonly random?: Random;
  /** Deliveries at a time. Pub/Sub would slow down instead, when the receiver answers 429 or 503. */
  readonly inFlight?: number;
  readonly firstBackoffMs?: number;
  readonly maxBackoffMs?: number;
  /** Deliveries before a message is given up, as to a dead-letter topic. */
  readonly maxAttempts?: number;
  readonly ackDeadlineMs?: number;
}

export class WorkTopic {
  readonly faults: WorkFaults = { ...NO_WORK_FAULTS };
  readonly counts = { requests: 0, published: 0, duplicated: 0, delivered: 0, redelivered: 0, abandoned: 0 };
  /** Messages that are neither acknowledged nor given up. */
  openCount = 0;
  readonly #options: Required<WorkTopicOptions>;
  readonly #server: Server;
  readonly #waiting: { readonly message: WorkMessage; readonly attempt: number }[] = [];
  readonly #closing = new AbortController();
  #inFlight = 0;
  #nextId = 1;

  private constructor(options: WorkTopicOptions) {
    this.#options = {
      random: Math.random,
      inFlight: 1_000,
      firstBackoffMs: 100,
      maxBackoffMs: 1_000,
      maxAttempts: 5,
      ackDeadlineMs: 60_000,
      ...options,
    };
    this.#server = createServer((request, response) => {
      this.#publish(request).then(
        (answer) => {
          if (answer === 'lost') return void response.destroy();
          response
            .writeHead(answer.status, { 'content-type': 'application/json' })
            .end(JSON.stringify(answer.body));
        },
        () => response.destroy(),
      );
    });
  }

  static async open(options: WorkTopicOptions): Promise<WorkTopic> {
    const opened = new WorkTopic(options);
    opened.#server.listen(0, '127.0.0.1');
    await once(opened.#server, 'listening');
    return opened;
  }

  /** Environment variables with which a function publishes here. */
  get env(): Record<string, string> {
    const { port } = this.#server.address() as AddressInfo;
    return { WORK_PUBSUB_TOPIC: WORK_TOPIC, PUBSUB_EMULATOR_HOST: `127.0.0.1:${port}` };
  }

  /** Delivers this message too, as when Pub/Sub repeats an old one. */
  add(data: string): void {
    this.#accept({ messageId: this.#newId(), data: Buffer.from(data).toString('base64'), attributes: {} });
  }

  /** Drops the messages that are not being delivered. */
  discard(): void {
    this.openCount -= this.#waiting.length;
    this.#waiting.length = 0;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #publish(request: IncomingMessage): Promise<{ status: number; body: unknown } | 'lost'> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const path = new URL(request.url ?? '/', 'http://127.0.0.1').pathname;
    if (request.method !== 'POST' || path !== `/v1/${WORK_TOPIC}:publish`)
      return { status: 404, body: { error: { code: 404, message: 'Not found', status: 'NOT_FOUND' } } };
    this.counts.requests += 1;
    if (this.faults.isDown)
      return { status: 503, body: { error: { code: 503, message: 'Unavailable', status: 'UNAVAILABLE' } } };
    const { messages = [] } = JSON.parse(Buffer.concat(chunks).toString() || '{}');
    const accepted = messages.map(({ attributes = {}, data = '' }: Partial<WorkMessage>) => ({
      messageId: this.#newId(),
      data,
      attributes,
    }));
    for (const message of accepted) this.#accept(message);
    this.counts.published += accepted.length;
    if (this.#occurs(this.faults.lostAnswerProbability)) return 'lost';
    return {
      status: 200,
      body: { messageIds: accepted.map(({ messageId }: WorkMessage) => messageId) },
    };
  }

  #newId(): string {
    this.#nextId += 1;
    return String(this.#nextId - 1);
  }

  #accept(message: WorkMessage): void {
    this.#enqueue(message);
    if (!this.#occurs(this.faults.duplicateProbability)) return;
    this.counts.duplicated += 1;
    this.#enqueue(message);
  }

  #enqueue(message: WorkMessage): void {
    this.openCount += 1;
    this.#schedule(message, 1, this.#options.random() * this.faults.jitterMs);
  }

  #schedule(message: WorkMessage, attempt: number, afterMs: number): void {
    const start = () => {
      this.#waiting.push({ message, attempt });
      this.#deliverNext();
    };
    // Rejects when the topic is closed: then nothing is delivered any more.
    if (afterMs < 1) start();
    else delay(afterMs, undefined, { signal: this.#closing.signal }).then(start, () => undefined);
  }

  #deliverNext(): void {
    while (this.#inFlight < this.#options.inFlight && !this.#closing.signal.aborted) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#inFlight += 1;
      void this.#deliver(next.message, next.attempt).finally(() => {
        this.#inFlight -= 1;
        this.#deliverNext();
      });
    }
  }

  async #deliver(message: WorkMessage, attempt: number): Promise<void> {
    const { ackDeadlineMs, firstBackoffMs, maxAttempts, maxBackoffMs, receive } = this.#options;
    if (attempt > 1) this.counts.redelivered += 1;
    const publishTime = new Date().toISOString();
    const body = {
      message: { ...message, message_id: message.messageId, publishTime, publish_time: publishTime },
      subscription: 'projects/emulated-project/subscriptions/work-push',
      deliveryAttempt: attempt,
    };
    const status = await receive(body, ackDeadlineMs).catch(() => null);
    if (status !== null && status >= 200 && status < 300) {
      this.counts.delivered += 1;
      this.openCount -= 1;
    } else if (attempt >= maxAttempts) {
      this.counts.abandoned += 1;
      this.openCount -= 1;
    } else {
      const backoffMs = Math.min(firstBackoffMs * 2 ** (attempt - 1), maxBackoffMs);
      this.#schedule(message, attempt + 1, backoffMs);
    }
  }

  #occurs(probability: number): boolean {
    return probability > 0 && this.#options.random() < probability;
  }
}

/** Posts to a function. @returns its HTTP status; null when it gave no answer */
export async function postTo(url: string, body: unknown, timeoutMs: number): Promise<number | null> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    await response.body?.cancel();
    return response.status;
  } catch {
    return null;
  }
}
