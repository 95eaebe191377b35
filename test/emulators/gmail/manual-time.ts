// A clock that only the test advances, and timers that depend on it.

import type { Timers } from '../../../emulators/gmail/timers.ts';

export class ManualTime implements Timers {
  #nowMs = Date.UTC(2026, 10, 5, 12);
  #pending: { atMs: number; run: () => void }[] = [];

  readonly now = (): number => this.#nowMs;

  after(delayMs: number, run: () => void): () => void {
    const entry = { atMs: this.#nowMs + delayMs, run };
    this.#pending.push(entry);
    return () => {
      this.#pending = this.#pending.filter((other) => other !== entry);
    };
  }

  /** Number of timers that have not fired. */
  get pendingCount(): number {
    return this.#pending.length;
  }

  /** Advances the clock and fires the timers that are due, in chronological order. */
  advance(byMs: number): void {
    this.#nowMs += byMs;
    const due = this.#pending.filter((entry) => entry.atMs <= this.#nowMs);
    this.#pending = this.#pending.filter((entry) => entry.atMs > this.#nowMs);
    for (const entry of due.sort((left, right) => left.atMs - right.atMs)) entry.run();
  }
}
