/**
 * The time limit of an invocation. Every wait and every outgoing call checks it first, so that the invocation ends
 * before the platform kills it.
 */

/** Monotonic milliseconds. An argument, so that tests control time. */
export type Clock = () => number;

export const monotonicClock: Clock = () => performance.now();

export class Deadline {
  readonly #clock: Clock;
  readonly #endsAtMs: number;
  /** Milliseconds from its creation to its end. */
  readonly lengthMs: number;

  private constructor(clock: Clock, lengthMs: number) {
    this.#clock = clock;
    this.#endsAtMs = clock() + lengthMs;
    this.lengthMs = lengthMs;
  }

  static after(ms: number, clock: Clock = monotonicClock): Deadline {
    return new Deadline(clock, ms);
  }

  /** Milliseconds left, never negative. */
  remainingMs(): number {
    return Math.max(0, this.#endsAtMs - this.#clock());
  }

  hasTimeFor(ms: number): boolean {
    return this.remainingMs() >= ms;
  }

  /** As `hasTimeFor`, for a step that must not wait for a longer invocation: half of the whole time is enough. */
  hasTimeOrHalf(ms: number): boolean {
    return this.hasTimeFor(Math.min(ms, this.lengthMs / 2));
  }
}
