/** Detects a process that has parsed the same email for longer than the limit. The caller checks it from time to time. */
export class HangWatch {
  readonly #limitMs: number;
  #number: number | null = null;
  #since = performance.now();
  /** Once true, it stays. */
  hasHung = false;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** @param number of the mail being read; null before the first */
  hangsAt(number: number | null): boolean {
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
