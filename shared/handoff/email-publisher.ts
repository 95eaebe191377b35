/**
 * Publishes the outbox of a mailbox on the topic for stored emails: while a run works, and at its end.
 * Invariant: a row leaves the outbox only after Pub/Sub has acknowledged its message. An error of Pub/Sub is logged and never
 * thrown: the row waits for the next run. Nothing is published after the deadline.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../db/database.ts';
import { hasNewerHint } from '../db/hints.ts';
import type { Lease } from '../db/lease.ts';
import type { Deadline } from '../deadline.ts';
import { toAppError } from '../errors.ts';
import type { Log } from '../log.ts';
import { deleteFromOutbox, readOutbox } from './email-outbox.ts';
import { type EmailsTopic, MAX_BATCH } from './emails-topic.ts';

/** While a run works. At its end it publishes the rest at once. */
const PUBLISH_EVERY_MS = 1_000;
/** How often the holder of the lease checks for a push while it waits for Pub/Sub. */
const HINT_CHECK_MS = 1_000;
/** For one batch. */
const MAX_TIMEOUT_MS = 10_000;

interface PublisherOptions {
  readonly db: Database;
  readonly topic: EmailsTopic;
  readonly log: Log;
  readonly lease: Lease;
  readonly deadline: Deadline;
}

/** One per lease. After an error, or `stop`, it begins no further batch. */
export class EmailPublisher {
  readonly #options: PublisherOptions;
  readonly #timer: NodeJS.Timeout;
  #hasRows: boolean;
  #hasEnded = false;
  /** The passes, one after another. */
  #passes: Promise<void> = Promise.resolve();

  constructor(options: PublisherOptions, hasRows: boolean) {
    this.#options = options;
    this.#hasRows = hasRows;
    this.#timer = setInterval(() => void this.flush(), PUBLISH_EVERY_MS).unref();
  }

  noteStored(): void {
    this.#hasRows = true;
  }

  /** Resolves when everything that was stored so far is published, or cannot be before the deadline. Never rejects. */
  async flush(): Promise<void> {
    this.#passes = this.#passes.then(async () => await this.#pass());
    await this.#passes;
  }

  /** Like `flush`, but also resolves when a push has stored a newer hint: listing does not wait for Pub/Sub. */
  async flushUntilHint(): Promise<void> {
    const { db, lease } = this.#options;
    const flushed = this.flush().then(() => true);
    while (!(await Promise.race([flushed, delay(HINT_CHECK_MS, false, { ref: false })])))
      if (await hasNewerHint(db, lease.mailboxId).catch(() => false)) return;
  }

  /** Resolves when the batch that is being published is answered or given up. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#hasEnded = true;
    await this.#passes;
  }

  async #pass(): Promise<void> {
    const { deadline, log } = this.#options;
    while (this.#hasRows && !this.#hasEnded && deadline.remainingMs() > 0) {
      // Before the read: an email that is stored during it needs another one.
      this.#hasRows = false;
      try {
        if (await this.#publishBatch()) this.#hasRows = true;
      } catch (thrown) {
        this.#hasEnded = true;
        const error = toAppError(thrown);
        log.write(error.severity, 'publish_failed', error.title, {
          error_code: error.code,
          detail: error.message,
          remediation: error.remediation,
        });
      }
    }
  }

  /** @returns true when more rows may follow */
  async #publishBatch(): Promise<boolean> {
    const { db, deadline, lease, log, topic } = this.#options;
    const emails = await readOutbox(db, lease, MAX_BATCH);
    if (emails.length === 0) return false;
    const timeoutMs = Math.min(MAX_TIMEOUT_MS, deadline.remainingMs());
    if (timeoutMs === 0) return true;
    const { ids, error } = await topic.publish(String(lease.mailboxId), emails, timeoutMs);
    await deleteFromOutbox(db, ids);
    if (error !== null) throw error;
    log.debug('emails_published', `Published ${emails.length} ${emails.length === 1 ? 'email' : 'emails'}`, {
      published_count: emails.length,
    });
    return emails.length === MAX_BATCH;
  }
}

interface PublisherContext {
  readonly db: Database;
  readonly log: Log;
  readonly emailsTopic: EmailsTopic | null;
}

/** @returns null without a topic */
export function createPublisher(
  { db, emailsTopic: topic, log }: PublisherContext,
  on: { readonly lease: Lease; readonly deadline: Deadline; readonly hasUnpublished: boolean },
): EmailPublisher | null {
  const { lease, deadline, hasUnpublished } = on;
  return topic === null ? null : new EmailPublisher({ db, topic, log, lease, deadline }, hasUnpublished);
}
