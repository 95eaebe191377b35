/** The types of the mutators, and their helpers to cut, join and repeat bytes. */
import { between, type Random } from '../../emulators/seeded-random.ts';

export interface MutationContext {
  readonly random: Random;
  /** Returns a random email of the seed corpus. */
  readonly other: () => Buffer;
}

export type Mutator = (mail: Buffer, context: MutationContext) => Buffer;

/** Limit of the bytes that one mutation adds by repetition. */
const MAX_REPEATED_BYTES = 400_000;

/** @returns a random integer from 1 to `most`; small ones are far more likely */
export function skewed(random: Random, most: number): number {
  return Math.min(most, Math.floor(2 ** (random() * Math.log2(most + 1))));
}

/** @returns a random slice of `mail`, mostly a small one */
export function pieceOf(mail: Buffer, random: Random, most = 4_000): Buffer {
  const length = skewed(random, Math.min(most, Math.max(1, mail.length)));
  const at = between(random, 0, Math.max(0, mail.length - length));
  return mail.subarray(at, at + length);
}

/** @returns `mail` with `piece` instead of the bytes from `from` to `to` */
export function replaced(mail: Buffer, from: number, to: number, piece: Buffer): Buffer {
  return Buffer.concat([mail.subarray(0, from), piece, mail.subarray(to)]);
}

/** @returns `piece`, repeated to about `bytes` bytes */
export function repeated(piece: Buffer, bytes: number): Buffer {
  // `Buffer.alloc` cannot fill with an empty buffer.
  if (piece.length === 0) return piece;
  return Buffer.alloc(Math.max(piece.length, Math.min(bytes, MAX_REPEATED_BYTES)), piece);
}

/** @returns `text`, repeated `times` times or up to the limit, because a mutated email may have lines of a megabyte */
export function repeatedText(text: string, times: number): string {
  return text.repeat(Math.max(1, Math.min(times, Math.floor(MAX_REPEATED_BYTES / Math.max(1, text.length)))));
}

/** @returns the start of the first line after a random position, or the end of `mail` */
export function lineStart(mail: Buffer, random: Random): number {
  const found = mail.indexOf(0x0a, between(random, 0, mail.length));
  return found < 0 ? mail.length : found + 1;
}
