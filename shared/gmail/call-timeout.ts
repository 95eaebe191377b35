/** Aborts a call when the next part of its answer does not come in time, or when the deadline passes. */
import type { Deadline } from '../deadline.ts';

export class CallTimeout {
  readonly #controller = new AbortController();
  readonly #deadline: Deadline;
  #timer: NodeJS.Timeout | undefined;

  constructor(deadline: Deadline) {
    this.#deadline = deadline;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Starts to wait for the next part, for `ms` at most; ends the wait before. */
  start(ms: number): void {
    this.pause();
    this.#timer = setTimeout(() => this.#controller.abort(), Math.min(ms, this.#deadline.remainingMs()));
  }

  pause(): void {
    clearTimeout(this.#timer);
  }
}
