/** A counting semaphore in FIFO order: at most `limit` permits are held at a time. */
import { withTimeout } from '../timeout.ts';

export class Semaphore {
  readonly #waiting: (() => void)[] = [];
  readonly #limit: number;
  readonly #shared: Semaphore | null;
  #held = 0;

  /** @param shared each permit also needs one of this semaphore, so its users wait for each other before they wait for others */
  constructor(limit: number, shared: Semaphore | null = null) {
    this.#limit = limit;
    this.#shared = shared;
  }

  /** Resolves when a permit is acquired. @returns a function that releases it; further calls do nothing */
  async acquire(): Promise<() => void> {
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      this.#admit();
    });
    const releaseShared = await this.#shared?.acquire();
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      releaseShared?.();
      this.#held -= 1;
      this.#admit();
    };
  }

  /** @returns null when no permit was free within `ms` milliseconds */
  async acquireWithin(ms: number): Promise<(() => void) | null> {
    const granted = this.acquire();
    try {
      return await withTimeout(ms, granted, () => new Error('No permit in time'));
    } catch {
      void granted.then((release) => release());
      return null;
    }
  }

  /** Runs `work` while holding a permit. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const release = await this.acquire();
    try {
      return await work();
    } finally {
      release();
    }
  }

  #admit(): void {
    while (this.#held < this.#limit) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#held += 1;
      next();
    }
  }
}
