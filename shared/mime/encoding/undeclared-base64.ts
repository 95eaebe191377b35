/**
 * Decodes base64 bodies without a declared encoding. A body is decoded only when all of it is base64, and the result is
 * clean text or begins with a file signature.
 */

import { isUtf8 } from 'node:buffer';
import { countControls } from './control-characters.ts';

/** Fewer digits may be a word. A file is also recognized by its first bytes. */
const MIN_DIGITS = 16;
const MIN_TEXT_DIGITS = 40;

/** PDF, ZIP (Office), PNG, JPEG, GIF, RTF, old Office, TIFF. */
const SIGNATURES: readonly Buffer[] = [
  '255044462d',
  '504b0304',
  '89504e47',
  'ffd8ff',
  '47494638',
  '7b5c727466',
  'd0cf11e0',
  '49492a00',
  '4d4d002a',
].map((hex) => Buffer.from(hex, 'hex'));

/**
 * The decoded bytes; null when the body is not such base64.
 *
 * @param includesText whether base64 of text is decoded, or only that of files with a signature
 */
export function decodeUndeclaredBase64(body: Buffer, includesText: boolean): Buffer | null {
  // Rejects nearly every body by its first line.
  if (!/^\s{0,100}[A-Za-z0-9+/]{16,}/.test(body.toString('latin1', 0, 200)) || !isAllBase64(body))
    return null;
  const decoded = Buffer.from(body.toString('latin1'), 'base64');
  if (SIGNATURES.some((signature) => decoded.subarray(0, signature.length).equals(signature))) return decoded;
  const isText =
    includesText &&
    body.length >= MIN_TEXT_DIGITS &&
    isUtf8(decoded) &&
    countControls(decoded) === 0 &&
    /\S\s\S/.test(decoded.toString('latin1', 0, 1_000));
  return isText ? decoded : null;
}

/** Groups of four digits, padding only at the end, and otherwise only line ends. */
function isAllBase64(body: Buffer): boolean {
  let digits = 0;
  let padding = 0;
  for (const byte of body) {
    if (byte === 0x3d) padding += 1;
    else if (byte > 0x20) {
      const isDigit =
        (byte >= 0x41 && byte <= 0x5a) ||
        (byte >= 0x61 && byte <= 0x7a) ||
        (byte >= 0x30 && byte <= 0x39) ||
        byte === 0x2b ||
        byte === 0x2f;
      if (!isDigit || padding > 0) return false;
      digits += 1;
    } else if (byte === 0x20 || byte === 0x09) return false;
  }
  return digits >= MIN_DIGITS && padding <= 2 && (digits + padding) % 4 === 0;
}
