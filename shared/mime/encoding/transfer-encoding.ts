/**
 * Content-Transfer-Encoding, bytes to bytes. Decoding never fails: invalid input is skipped or kept
 * unchanged, with a defect. It works on bytes instead of `Buffer.from(text, 'base64')`, which needs a second copy of
 * the text, accepts `-` and `_` as digits and hides every error.
 */

import type { Defects } from '../parsed-email.ts';
import { decodeQuotedPrintable } from './quoted-printable.ts';
import { decodeUuencode } from './uuencode.ts';

const IDENTITY = new Set(['', '7bit', '8bit', 'binary', '7-bit', '8-bit', 'none']);
const DECODED = new Set(['base64', 'quoted-printable']);
const UUENCODE = new Set(['x-uuencode', 'uuencode', 'x-uue', 'uue']);

/**
 * The decoded bytes; for 7bit, 8bit and binary the same memory.
 *
 * @param encoding the unchanged header value; null when absent
 */
export function decodeTransfer(bytes: Buffer, encoding: string | null, defects: Defects): Buffer {
  const name = encodingName(encoding);
  if (name === 'base64') {
    // Some programs write a data URL, and browsers decode what follows its head.
    const dataUrl = /^\s{0,20}data:[\w/+.;=-]{0,100};base64,/i.exec(bytes.toString('latin1', 0, 150));
    if (dataUrl !== null) {
      defects.add('base64_junk');
      return decodeBase64(bytes.subarray(dataUrl[0].length), defects);
    }
    if (looksLikeBase64(bytes)) return decodeBase64(bytes, defects);
    defects.add('transfer_encoding_wrong');
    return bytes;
  }
  if (name === 'quoted-printable') return decodeQuotedPrintable(bytes, defects);
  if (UUENCODE.has(name)) return decodeUuencode(bytes, defects);
  if (!IDENTITY.has(name)) defects.add('transfer_encoding_unknown');
  return bytes;
}

/** The encoding's name in lower case, without comments, quotes and an experimental prefix; empty when absent. */
export function encodingName(encoding: string | null): string {
  const text = (encoding ?? '')
    .slice(0, 200)
    .replace(/\([^)]*\)/g, '')
    .toLowerCase();
  if (/^\W*(?:x-)?base[\s_-]?64\b/.test(text)) return 'base64';
  if (/^\W*(?:x-)?quoted[\s_/-]?printable\b/.test(text)) return 'quoted-printable';
  return text.match(/[\w-]+/)?.[0] ?? '';
}

/** True when the encoding declares that the bytes are not encoded, or is absent. */
export function isIdentity(encoding: string | null): boolean {
  return IDENTITY.has(encodingName(encoding));
}

/** Of several declared encodings, the first that changes bytes; null when none is declared. */
export function effectiveEncoding(encodings: readonly string[]): string | null {
  const changing = encodings.find((one) => DECODED.has(encodingName(one)) || UUENCODE.has(encodingName(one)));
  return changing ?? encodings[0] ?? null;
}

const JUNK = 0xff;
const WHITE = 0xfe;
const PAD = 0xfd;

/** Each byte's six bits, or why it has none. */
const SIX_BITS = new Uint8Array(256).fill(JUNK);
for (const [value, digit] of [
  ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
].entries()) {
  SIX_BITS[digit.charCodeAt(0)] = value;
}
for (const white of ' \t\r\n') SIX_BITS[white.charCodeAt(0)] = WHITE;
SIX_BITS['='.charCodeAt(0)] = PAD;

/**
 * False for plain text that is wrongly declared as base64. It is detected by white space within lines and by characters
 * outside base64, which in prose exceed one in ten. Base64 on one line with a
 * space where its line ends were has one in 77.
 */
function looksLikeBase64(bytes: Buffer): boolean {
  let stray = 0;
  const head = bytes.subarray(0, 4096);
  for (const [at, byte] of head.entries()) {
    const value = SIX_BITS[byte];
    if (value === JUNK) stray += 1;
    // A space or tab directly followed by text. A line's first character may be one: folded base64.
    const isWithin = (byte === 0x20 || byte === 0x09) && head[at - 1] !== 0x0a;
    if (isWithin && (SIX_BITS[head[at + 1] ?? 0] ?? JUNK) < 64) stray += 1;
  }
  return stray < head.length * 0.06 || (stray < 16 && !isShortText(head));
}

/** Whether the first line is words or markup: it has punctuation, or spaces between letters that are not groups of four digits. */
function isShortText(head: Buffer): boolean {
  const line = /\S[^\r\n]*/.exec(head.toString('latin1'))?.[0].trimEnd() ?? '';
  const digits = line.replace(/[^A-Za-z0-9+/=]/g, '').length;
  return (
    /[.,:;?!'()]\s|[.,:;?!]$|[<{}"',;]/.test(line) || (/[a-z0-9] [a-z0-9]/i.test(line) && digits % 4 !== 0)
  );
}

function decodeBase64(bytes: Buffer, defects: Defects): Buffer {
  const decoded = Buffer.allocUnsafe(Math.ceil((bytes.length * 3) / 4) + 3);
  let end = bytes.length;
  let length = 0;
  let group = 0;
  let digits = 0;
  let padded = false;
  for (let at = 0; at < end; at += 1) {
    // Fast path: most of a file is groups of four digits with nothing between them.
    for (; digits === 0 && at + 3 < end; at += 4) {
      const four = fourDigits(bytes, at);
      if (four < 0) break;
      decoded[length] = four >> 16;
      decoded[length + 1] = four >> 8;
      decoded[length + 2] = four;
      length += 3;
    }
    if (at === end) break;
    const value = SIX_BITS[bytes[at] ?? 0] ?? JUNK;
    if (value < 64) {
      group = (group << 6) | value;
      digits += 1;
      if (digits === 4) {
        decoded[length] = group >> 16;
        decoded[length + 1] = group >> 8;
        decoded[length + 2] = group;
        length += 3;
        group = 0;
        digits = 0;
      }
    } else if (value === JUNK) {
      defects.add('base64_junk');
    } else if (value === PAD) {
      length = flush(decoded, length, group, digits);
      if (digits === 1) defects.add('base64_truncated');
      group = 0;
      digits = 0;
      if (!padded) {
        // Padding ends base64, but some senders pad every line or join encoded pieces, and mailing lists
        // write a footer below. So the following lines are decoded up to the first line that is not base64.
        padded = true;
        end = endOfCleanLines(bytes, at);
        if (end < bytes.length) defects.add('base64_trailing_text');
      }
    }
  }
  if (digits > 0) defects.add('base64_truncated');
  length = flush(decoded, length, group, digits);
  return decoded.subarray(0, length);
}

/** The 24 bits of the four bytes from `at` on; negative when one of them is not a digit. */
function fourDigits(bytes: Buffer, at: number): number {
  const a = SIX_BITS[bytes[at] ?? 0] ?? JUNK;
  const b = SIX_BITS[bytes[at + 1] ?? 0] ?? JUNK;
  const c = SIX_BITS[bytes[at + 2] ?? 0] ?? JUNK;
  const d = SIX_BITS[bytes[at + 3] ?? 0] ?? JUNK;
  return (a | b | c | d) < 64 ? (a << 18) | (b << 12) | (c << 6) | d : -1;
}

/** Writes a group of two or three digits, which hold one or two bytes; a single digit holds none. */
function flush(decoded: Buffer, length: number, group: number, digits: number): number {
  if (digits === 2) decoded[length] = group >> 4;
  if (digits === 3) {
    decoded[length] = group >> 10;
    decoded[length + 1] = group >> 2;
  }
  return length + Math.max(0, digits - 1);
}

function endOfCleanLines(bytes: Buffer, start: number): number {
  let lineStart = start + 1;
  for (let at = start; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (SIX_BITS[byte] === JUNK) return lineStart;
    if (byte === 0x0a) lineStart = at + 1;
  }
  return bytes.length;
}
