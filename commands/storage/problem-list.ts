/** The problems that `npm run storage` found: a limited list of lines, and their number. */
import { say } from '../support/terminal.ts';

export class ProblemList {
  readonly #max: number;
  readonly #lines: string[] = [];
  count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  add(line: string): void {
    this.count += 1;
    if (this.#lines.length < this.#max) this.#lines.push(line);
  }

  /** Also makes the command exit with 1 when there is a problem. */
  say(): void {
    if (this.count === 0) return;
    process.exitCode = 1;
    for (const line of this.#lines) say(`  ${line}`);
    if (this.count > this.#lines.length)
      say(`  and ${this.count - this.#lines.length} more; --list shows more of them`);
  }
}
