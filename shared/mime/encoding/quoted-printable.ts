/** Quoted-printable, RFC 2045 section 6.7, bytes to bytes; line ends are unchanged. */

import type { Defects } from '../parsed-email.ts';

const EQUALS = 0x3d;
const LF = 0x0a;
const CR = 0x0d;

/**
 * The decoded bytes. An equals sign that does not start an escape is kept, with a defect. Trailing white space is kept
 * too: the standard treats it as transport padding, but in an email from Gmail it was written by the sender.
 */
export function decodeQuotedPrintable(bytes: Buffer, defects: Defects): Buffer {
  const decoded = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    at += 1;
    if (byte !== EQUALS) {
      decoded[length] = byte;
      length += 1;
      continue;
    }
    const high = hexDigit(bytes[at]);
    const low = hexDigit(bytes[at + 1]);
    if (high >= 0 && low >= 0) {
      decoded[length] = (high << 4) | low;
      length += 1;
      at += 2;
      continue;
    }
    const next = softBreakEnd(bytes, at);
    if (next >= 0) {
      at = next;
      continue;
    }
    defects.add('quoted_printable_malformed');
    decoded[length] = EQUALS;
    length += 1;
  }
  return decoded.subarray(0, length);
}

/** The offset after the soft line break that follows an equals sign; -1 when there is none. Gateways double CR or omit LF. */
function softBreakEnd(bytes: Buffer, start: number): number {
  let at = start;
  while (bytes[at] === 0x20 || bytes[at] === 0x09) at += 1;
  if (at >= bytes.length) return at;
  const lineEnd = at;
  while (bytes[at] === CR) at += 1;
  if (bytes[at] === LF) return at + 1;
  return at > lineEnd ? at : -1;
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const upper = byte & 0xdf;
  return upper >= 0x41 && upper <= 0x46 ? upper - 0x37 : -1;
}
