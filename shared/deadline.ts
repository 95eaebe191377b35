/**
 * The time that an invocation has. Everything that waits or calls out asks it first, so that each invocation
 * ends by itself, with a reserve, before the platform ends it.
 */

/** Monotonic milliseconds; an argument, so that tests own time. */
export type Clock = () => number;

export const monotonicClock: Clock = () => performance.now();

export class Deadline {
  readonly #clock: Clock;
  readonly #endsAtMs: number;

  private constructor(clock: Clock, endsAtMs: number) {
    this.#clock = clock;
    this.#endsAtMs = endsAtMs;
  }

  static after(ms: number, clock: Clock = monotonicClock): Deadline {
    return new Deadline(clock, clock() + ms);
  }

  /** Milliseconds left, never negative. */
  remainingMs(): number {
    return Math.max(0, this.#endsAtMs - this.#clock());
  }

  hasTimeFor(ms: number): boolean {
    return this.remainingMs() >= ms;
  }
}
