/**
 * Reads the body of an answer with an idle timeout, and decodes the raw message in it.
 * Invariant: a truncated body is an error, and no more than `LARGE_BODY_BYTES` are buffered before `onLarge` resolves.
 */
import type { Readable } from 'node:stream';
import type { Deadline } from '../deadline.ts';
import { noAnswer } from './gmail-error.ts';

/** Maximum time between two chunks of a body. */
const IDLE_TIMEOUT_MS = 15_000;
/** Larger bodies are read one at a time, so that an instance of 512 MiB holds at most one, besides small ones. */
export const LARGE_BODY_BYTES = 1024 * 1024;

/** Aborts a call when the next part of its answer does not arrive in time, or when the deadline passes. */
export class CallTimeout {
  readonly #controller = new AbortController();
  readonly #deadline: Deadline;
  #timer: NodeJS.Timeout | undefined;
  #endsAtDeadline = false;

  constructor(deadline: Deadline) {
    this.#deadline = deadline;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The deadline ended the call. The clock may not show that yet, because a timer can fire a millisecond early. */
  get isOutOfTime(): boolean {
    return this.signal.aborted && this.#endsAtDeadline;
  }

  /** Starts the timeout for the next part, at most `ms`. Replaces a running one. */
  start(ms: number): void {
    this.pause();
    const leftMs = this.#deadline.remainingMs();
    this.#endsAtDeadline = leftMs <= ms;
    // No timer runs while the chunks of a fast answer arrive.
    if (leftMs === 0) this.#controller.abort();
    else this.#timer = setTimeout(() => this.#controller.abort(), Math.min(ms, leftMs));
  }

  pause(): void {
    clearTimeout(this.#timer);
  }
}

/**
 * @param declaredBytes Content-Length; 0 when it is not known
 * @param onLarge awaited once, before more than `LARGE_BODY_BYTES` are buffered; this wait does not count as idle
 */
export async function readBody(
  body: Readable,
  timeout: CallTimeout,
  { declaredBytes, onLarge }: { declaredBytes: number; onLarge: (() => Promise<void>) | null },
): Promise<Buffer> {
  let isAllowed = onLarge === null;
  const allow = async () => {
    if (isAllowed) return;
    isAllowed = true;
    timeout.pause();
    await onLarge?.();
  };
  try {
    if (declaredBytes > LARGE_BODY_BYTES) await allow();
    const chunks: Buffer[] = [];
    let readBytes = 0;
    timeout.start(IDLE_TIMEOUT_MS);
    for await (const chunk of body) {
      chunks.push(chunk as Buffer);
      readBytes += (chunk as Buffer).length;
      if (readBytes > LARGE_BODY_BYTES) await allow();
      timeout.start(IDLE_TIMEOUT_MS);
    }
    return Buffer.concat(chunks);
  } finally {
    // Closes the connection if the body was not read to its end.
    body.destroy();
  }
}

/**
 * Decodes the `raw` field of a message.
 *
 * @param encoded base64url or base64, padded or not
 * @returns the exact bytes of the message
 * @throws {AppError} gmail_unavailable when characters are missing or are not base64
 */
export function decodeRaw(encoded: string): Buffer {
  const raw = Buffer.from(encoded, 'base64url');
  // Node skips characters that are not base64, and the result is too short. A single last digit is not a whole byte.
  const digits = encoded.length - (encoded.endsWith('==') ? 2 : encoded.endsWith('=') ? 1 : 0);
  if (digits % 4 === 1 || raw.length !== Math.floor((digits * 3) / 4)) {
    throw noAnswer('users.messages.get', 'the raw message is not base64url');
  }
  return raw;
}
