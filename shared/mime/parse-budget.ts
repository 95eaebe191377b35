/**
 * Limits for parsing one email: CPU time, number of parts, and bytes beyond the email itself. The parser is linear
 * without it; the budget protects against unforeseen input.
 */

const MIB = 1024 * 1024;
/** Far above the usual time, because a shared CPU may be several times slower. */
const BASE_CPU_MS = 1_500;
const CPU_MS_PER_MIB = 400;
/** Parts of one email, including those of attached messages. Digests and photo albums reach some hundreds. */
const MAX_PARTS = 1_000;
/** Attached messages that are opened; the others are kept as files. */
const MAX_MESSAGES = 150;
/** S/MIME objects that are opened. */
const MAX_CMS = 50;

/** Thrown when the CPU time is used up. `parse-email.ts` then returns the head and the email as one file. */
export class ParseBudgetExceeded extends Error {}

export class ParseBudget {
  readonly #cpuMs: () => number;
  readonly #endMs: number;
  #openedBytes: number;
  #fileBytes: number;
  parts = MAX_PARTS;
  messages = MAX_MESSAGES;
  cms = MAX_CMS;

  /** @param cpuMs CPU time of the thread so far, in ms */
  constructor(emailBytes: number, cpuMs: () => number) {
    this.#cpuMs = cpuMs;
    this.#endMs = cpuMs() + BASE_CPU_MS + (emailBytes / MIB) * CPU_MS_PER_MIB;
    this.#openedBytes = emailBytes * 1.5 + 4 * MIB;
    this.#fileBytes = emailBytes * 4 + MIB / 32;
  }

  /** @throws {ParseBudgetExceeded} */
  checkTime(): void {
    if (this.#cpuMs() > this.#endMs) throw new ParseBudgetExceeded();
  }

  /** Whether an encoded multipart may be decoded. Each nested one needs its size again. */
  mayDecode(bytes: number): boolean {
    if (bytes > this.#openedBytes) return false;
    this.#openedBytes -= bytes;
    return true;
  }

  /** Whether an attached message may be opened. Its files are stored again for each message that contains them. */
  mayOpen(bytes: number): boolean {
    if (bytes > this.#fileBytes) return false;
    this.#fileBytes -= bytes;
    return true;
  }
}

/** CPU time of the calling thread, in ms. */
export function threadCpuMs(): number {
  const { system, user } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
