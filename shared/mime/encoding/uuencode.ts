/** Uuencode, the encoding of mail before MIME: `begin 644 name`, lines with their length in front, `end`. */

import type { Defects } from '../parsed-email.ts';

/** The bytes of the first block; without a `begin` line the input itself, with a defect. */
export function decodeUuencode(bytes: Buffer, defects: Defects): Buffer {
  let at = beginOfBlock(bytes);
  if (at < 0) {
    defects.add('uuencode_damaged');
    return bytes;
  }
  const decoded = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  let ended = false;
  while (at < bytes.length) {
    const newline = bytes.indexOf(0x0a, at);
    const lineEnd = newline < 0 ? bytes.length : newline;
    const count = sixBits(bytes[at]);
    if (bytes.toString('latin1', at, at + 3) === 'end') {
      ended = true;
      break;
    }
    if (bytes[at] !== 0x0d && at < lineEnd) {
      // Trailing spaces, which stand for zeros, may have been cut on the way: a short line reads as spaces.
      for (let done = 0, group = at + 1; done < count && length < decoded.length - 3; done += 3, group += 4) {
        const digit = (offset: number): number =>
          sixBits(group + offset < lineEnd ? bytes[group + offset] : 0x20);
        const word = (digit(0) << 18) | (digit(1) << 12) | (digit(2) << 6) | digit(3);
        const size = Math.min(3, count - done);
        decoded[length] = word >> 16;
        if (size > 1) decoded[length + 1] = word >> 8;
        if (size > 2) decoded[length + 2] = word;
        length += size;
      }
    }
    at = lineEnd + 1;
  }
  if (!ended) defects.add('uuencode_damaged');
  return decoded.subarray(0, length);
}

/** The offset of the line behind `begin <mode> <name>`; -1 when there is none. */
function beginOfBlock(bytes: Buffer): number {
  let at = 0;
  while (at >= 0 && at < bytes.length) {
    const newline = bytes.indexOf(0x0a, at);
    if (/^begin [0-7]{3,4} /.test(bytes.toString('latin1', at, at + 32)))
      return newline < 0 ? -1 : newline + 1;
    at = newline < 0 ? -1 : newline + 1;
  }
  return -1;
}

function sixBits(byte: number | undefined): number {
  // A backquote stands for a space, that is, zero.
  return ((byte ?? 0x20) - 0x20) & 0x3f;
}
