/** Tells text from other bytes by the control characters that text does not use. */

/** Tab, line ends, form feed, and the shifts and escapes of Japanese and Korean mail. */
const OF_TEXT: ReadonlySet<number> = new Set([0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x1b]);

/** How many of the bytes are control characters, NUL among them, that text has no use for. */
export function countControls(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if (byte < 0x20 && !OF_TEXT.has(byte)) count += 1;
  return count;
}
