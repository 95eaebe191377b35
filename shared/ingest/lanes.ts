/**
 * The places of calls to Gmail: as many at a time as the pace allows. What is claimed waits in front of them, so that a place
 * that gets free is taken at once; whoever has its answer has left its place and waits for the database.
 * What must stay true: what is fetched and not stored stays small in memory.
 */

/** With as many beside the calls, a database that pauses for a few commits holds no call up: 250 emails a second, not 235. */
const MOST_HELD = 2;

export interface Lane {
  /**
   * Resolves when there is a place; asked again for each call of the message. What it gives must be called when the call
   * has ended, and told whether there was an answer.
   */
  readonly enter: () => Promise<(hasAnswer: boolean) => void>;
  /** The message is stored, or given up for now. Always follows. */
  readonly leave: () => void;
}

export class Lanes {
  readonly #pace: () => number;
  readonly #queue: (() => void)[] = [];
  #calling = 0;
  #fetched = 0;
  #moved = Promise.withResolvers<void>();

  /** @param pace calls that may be in flight now */
  constructor(pace: () => number) {
    this.#pace = pace;
  }

  /** Messages that are called for, or fetched and not left yet. */
  get enteredCount(): number {
    return this.#calling + this.#fetched;
  }

  /** Resolves at the next change. */
  async moved(): Promise<void> {
    await this.#moved.promise;
  }

  /** One for each message. */
  lane(): Lane {
    let hasAnswer = false;
    const dropAnswer = () => {
      if (hasAnswer) this.#fetched -= 1;
      hasAnswer = false;
    };
    return {
      enter: async () => {
        dropAnswer();
        await this.#place();
        return (isAnswered) => {
          this.#calling -= 1;
          hasAnswer = isAnswered;
          if (isAnswered) this.#fetched += 1;
          this.#move();
        };
      },
      leave: () => {
        dropAnswer();
        this.#move();
      },
    };
  }

  async #place(): Promise<void> {
    const admitted = new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#move();
    await admitted;
  }

  #move(): void {
    while (this.#queue.length > 0 && this.#hasRoom()) {
      this.#calling += 1;
      this.#queue.shift()?.();
    }
    this.#moved.resolve();
    this.#moved = Promise.withResolvers<void>();
  }

  #hasRoom(): boolean {
    const pace = this.#pace();
    return this.#calling < pace && this.enteredCount < pace * MOST_HELD;
  }
}
