/** Detects a process that has parsed the same email for longer than the limit. The caller checks it periodically. */
export class Watchdog {
  readonly #limitMs: number;
  #number: number | null = null;
  #since = performance.now();
  /** Never returns to false. */
  hasHung = false;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /**
   * @param number of the email that the process parses; null before the first
   * @returns whether the process hangs
   */
  check(number: number | null): boolean {
    const now = performance.now();
    if (number !== this.#number) {
      this.#number = number;
      this.#since = now;
    } else if (number !== null && now - this.#since > this.#limitMs) {
      this.hasHung = true;
    }
    return this.hasHung;
  }
}
