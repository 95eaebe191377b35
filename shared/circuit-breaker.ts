/**
 * After a failure of a service, calls fail at once for ten seconds. Otherwise the emails and mailboxes of an instance would wait one after
 * another for a service that hangs.
 */
import { type Clock, monotonicClock } from './deadline.ts';
import type { AppError } from './errors.ts';

const OPEN_MS = 10_000;

export class CircuitBreaker {
  readonly #clock: Clock;
  #failure: { readonly error: AppError; readonly untilMs: number } | null = null;

  constructor(clock: Clock = monotonicClock) {
    this.#clock = clock;
  }

  /** Why a call fails at once; null when it may be made. */
  get error(): AppError | null {
    return this.#failure !== null && this.#clock() < this.#failure.untilMs ? this.#failure.error : null;
  }

  open(error: AppError): void {
    this.#failure = { error, untilMs: this.#clock() + OPEN_MS };
  }

  close(): void {
    this.#failure = null;
  }
}
