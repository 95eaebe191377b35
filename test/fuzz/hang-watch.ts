/** Tells that a process has stood at the same mail for longer than any mail may take. Looked at now and then. */
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
