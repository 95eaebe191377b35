/** Worker thread that parses one large email: it receives the bytes, posts the parsed email and exits. */

import { parentPort, workerData } from 'node:worker_threads';
import { parseEmail } from './parse-email.ts';
import type { ParsedEmail } from './parsed-email.ts';

/** Smaller buffers may be views on the shared buffer pool, which cannot be transferred. */
const OWN_MEMORY_BYTES = 64 * 1024;

const raw = workerData as Uint8Array;
const email = await parseEmail(raw);
const { buffers, portable } = toPortable(email);
parentPort?.postMessage(portable, buffers);

/** Transfers files instead of copying them. Files that are views on the email are transferred with its buffer. */
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
