/** A counting semaphore in FIFO order: at most `limit` permits are held at a time. */
export class Semaphore {
  readonly #waiting: { readonly permits: number; readonly admit: () => void }[] = [];
  readonly #limit: number;
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves when a permit is acquired. @returns a function that releases it; further calls do nothing */
  async acquire(): Promise<() => void> {
    return await this.#acquire(1);
  }

  /** Acquires all permits: resolves when no other is held. Later requests wait until they are released. */
  async acquireAll(): Promise<() => void> {
    return await this.#acquire(this.#limit);
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

  async #acquire(permits: number): Promise<() => void> {
    await new Promise<void>((admit) => {
      this.#waiting.push({ permits, admit });
      this.#admit();
    });
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#held -= permits;
      this.#admit();
    };
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#held + next.permits > this.#limit) return;
      this.#waiting.shift();
      this.#held += next.permits;
      next.admit();
    }
  }
}
