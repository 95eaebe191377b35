/** Distinguishes text from binary data by control characters that text does not use. */

/** Tab, line ends, form feed, and the shifts and escapes of Japanese and Korean emails. */
const OF_TEXT: ReadonlySet<number> = new Set([0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x1b]);

/** Number of control characters, including NUL, that do not occur in text. */
export function countControls(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if (byte < 0x20 && !OF_TEXT.has(byte)) count += 1;
  return count;
}
