/**
 * What the reading of one email may take: time of the processor, and bytes beyond the email itself. The reader is linear
 * without it; the budget is the net below, for a shape that no one thought of.
 */

const MIB = 1024 * 1024;
/** A megabyte takes some 50 ms; a shared processor may be several times slower. */
const BASE_CPU_MS = 1_500;
const CPU_MS_PER_MIB = 400;
/** Parts of one email, those of attached messages among them. Digests and photo albums reach some hundreds. */
const MAX_PARTS = 2_000;
/** Attached messages that are opened; the others are kept as files. */
const MAX_MESSAGES = 150;
/** S/MIME objects that are looked into. */
const MAX_CMS = 50;

/** Thrown where the time is over. `parse-email.ts` answers with the head and the email as one file. */
export class ParseBudgetExceeded extends Error {}

export class ParseBudget {
  readonly #cpuMs: () => number;
  readonly #endMs: number;
  #openedBytes: number;
  #fileBytes: number;
  parts = MAX_PARTS;
  messages = MAX_MESSAGES;
  cms = MAX_CMS;

  /** @param cpuMs processor time of the thread so far */
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

  /** Whether a multipart that was sent encoded may be decoded: each within another takes its size once more. */
  mayDecode(bytes: number): boolean {
    if (bytes > this.#openedBytes) return false;
    this.#openedBytes -= bytes;
    return true;
  }

  /** Whether a message inside may be opened: its files are stored beside it, and so once for each message around them. */
  mayOpen(bytes: number): boolean {
    if (bytes > this.#fileBytes) return false;
    this.#fileBytes -= bytes;
    return true;
  }
}

/** Of the calling thread. */
export function threadCpuMs(): number {
  const { system, user } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
