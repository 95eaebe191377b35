/**
 * Wakes the workers of the next phase, which listen on the channel `email_stored`, after emails were committed. It is only a
 * wake-up: a worker that misses it claims the emails at its next poll.
 * Invariant: never in the transaction that stores. There it would serialize all commits, and a full notification queue would
 * fail the store.
 */
import type { Queryable } from '../db/database.ts';
import { statement } from '../db/statement.ts';
import type { Clock } from '../deadline.ts';

const INTERVAL_MS = 50;

const NOTIFY = statement("select pg_notify('email_stored', '')::text as notified", { notified: 'text' });

/** One per run. */
export class WorkerWakeUp {
  readonly #db: Queryable;
  readonly #clock: Clock;
  #timer: NodeJS.Timeout | null = null;
  #sending: Promise<void> = Promise.resolve();
  #isDue = false;
  #sentMs = Number.NEGATIVE_INFINITY;

  constructor(db: Queryable, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** Call after each commit. Sends at most one notification per 50 ms. */
  onStored(): void {
    this.#isDue = true;
    const waitMs = Math.max(0, this.#sentMs + INTERVAL_MS - this.#clock());
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#send();
    }, waitMs);
  }

  /** Call at the end of the run: afterwards the instance may have no CPU. Never rejects. */
  async finish(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#sending;
    if (this.#isDue) this.#send();
    await this.#sending;
  }

  #send(): void {
    this.#isDue = false;
    this.#sentMs = this.#clock();
    this.#sending = this.#db.query(NOTIFY).then(
      () => undefined,
      () => {
        this.#isDue = true;
      },
    );
  }
}
