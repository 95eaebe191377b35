/** The thread that reads one large email: gets its bytes, answers with what the reader gives, and ends. */

import { parentPort, workerData } from 'node:worker_threads';
import { parseEmail } from './parse-email.ts';
import type { ParsedEmail } from './parsed-email.ts';

/** Smaller buffers may share their memory with others, which cannot be handed over. */
const OWN_MEMORY_BYTES = 64 * 1024;

const raw = workerData as Uint8Array;
const email = await parseEmail(raw);
const { buffers, portable } = toPortable(email);
parentPort?.postMessage(portable, buffers);

/** Files are handed over, not copied: those that are views on the email go with the email's memory. */
function toPortable(parsed: ParsedEmail): { portable: ParsedEmail; buffers: ArrayBuffer[] } {
  const buffers = new Set<ArrayBuffer>();
  const attachments = parsed.attachments.map((attachment) => {
    const { buffer, byteLength, byteOffset } = attachment.content;
    if (!(buffer instanceof ArrayBuffer)) return attachment;
    if (buffer !== raw.buffer && byteLength < OWN_MEMORY_BYTES)
      return { ...attachment, content: new Uint8Array(attachment.content) };
    buffers.add(buffer);
    return { ...attachment, content: new Uint8Array(buffer, byteOffset, byteLength) };
  });
  return { portable: { ...parsed, attachments }, buffers: [...buffers] };
}
