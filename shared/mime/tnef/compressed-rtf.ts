/** The compressed RTF of Outlook's bodies, [MS-OXRTFCP]: LZ77 over a ring of 4096 bytes that starts filled. */

const RING_BYTES = 4096;
const COMPRESSED = 0x75465a4c;
const UNCOMPRESSED = 0x414c454d;
/** Two bytes expand to at most 17, so the output cannot grow further. */
const MAX_GROWTH = 9;

const PREFILL =
  '{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript ' +
  '\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par ' +
  '\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx';

/**
 * The RTF text as bytes; null when it is not this format or would exceed `maxBytes`. Truncated input gives
 * the bytes before the end.
 */
export function decompressRtf(bytes: Buffer, maxBytes: number): Buffer | null {
  if (bytes.length < 16) return null;
  const rawBytes = bytes.readUInt32LE(4);
  const kind = bytes.readUInt32LE(8);
  const content = bytes.subarray(16);
  if (kind === UNCOMPRESSED) return content.subarray(0, rawBytes);
  if (kind !== COMPRESSED) return null;

  const size = Math.min(rawBytes, content.length * MAX_GROWTH);
  if (size > maxBytes) return null;

  const ring = Buffer.alloc(RING_BYTES);
  let write = ring.write(PREFILL, 'latin1');
  const output = Buffer.allocUnsafe(size);
  let length = 0;
  const emit = (byte: number): void => {
    output[length] = byte;
    length += 1;
    ring[write] = byte;
    write = (write + 1) % RING_BYTES;
  };

  let at = 0;
  while (at < content.length && length < output.length) {
    const control = content[at] ?? 0;
    at += 1;
    for (let bit = 0; bit < 8 && at < content.length && length < output.length; bit += 1) {
      if ((control & (1 << bit)) === 0) {
        emit(content[at] ?? 0);
        at += 1;
        continue;
      }
      const reference = ((content[at] ?? 0) << 8) | (content[at + 1] ?? 0);
      at += 2;
      const offset = reference >> 4;
      // A reference to the place being written is the end mark.
      if (offset === write) return output.subarray(0, length);
      for (let copied = 0; copied < (reference & 0x0f) + 2 && length < output.length; copied += 1) {
        emit(ring[(offset + copied) % RING_BYTES] ?? 0);
      }
    }
  }
  return output.subarray(0, length);
}
