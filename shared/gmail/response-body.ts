/**
 * Reads the body of an answer under an idle timeout.
 * Invariant: a body that breaks off ends as an error, and no more than `LARGE_BODY_BYTES` are held before `onLarge` allows it.
 */
import type { Readable } from 'node:stream';
import type { CallTimeout } from './call-timeout.ts';

/** Between two pieces of a body. */
const IDLE_TIMEOUT_MS = 15_000;
/** Larger bodies are read one at a time, so that an instance of 512 MiB holds one large message beside small ones. */
export const LARGE_BODY_BYTES = 1024 * 1024;

/**
 * @param declaredBytes Content-Length; 0 when it is not known
 * @param onLarge awaited once, before more than `LARGE_BODY_BYTES` are held; our own wait does not count as idle
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
    // Closes the connection when the body was not read to its end.
    body.destroy();
  }
}
