/** What the mutators share: their chance, and the cutting and joining of bytes. */
import { between, type Random } from '../../emulators/seeded-random.ts';

export interface Chance {
  readonly random: Random;
  /** Another mail of the start set. */
  readonly other: () => Buffer;
}

export type Mutator = (mail: Buffer, chance: Chance) => Buffer;

/** What one mutation adds at most. */
const MAX_REPEATED_BYTES = 400_000;

/** Small numbers far more often than large ones. */
export function skewed(random: Random, most: number): number {
  return Math.min(most, Math.floor(2 ** (random() * Math.log2(most + 1))));
}

/** A piece of `mail`, of any place and mostly small. */
export function pieceOf(mail: Buffer, random: Random, most = 4_000): Buffer {
  const length = skewed(random, Math.min(most, Math.max(1, mail.length)));
  const at = between(random, 0, Math.max(0, mail.length - length));
  return mail.subarray(at, at + length);
}

/** `piece` in the place of the bytes between `from` and `to`. */
export function replaced(mail: Buffer, from: number, to: number, piece: Buffer): Buffer {
  return Buffer.concat([mail.subarray(0, from), piece, mail.subarray(to)]);
}

/** `piece` again and again, about so many bytes. */
export function repeated(piece: Buffer, bytes: number): Buffer {
  // Node cannot fill with nothing.
  if (piece.length === 0) return piece;
  return Buffer.alloc(Math.max(piece.length, Math.min(bytes, MAX_REPEATED_BYTES)), piece);
}

/** `text` so many times, or as often as fits: a damaged mail may have lines of a megabyte. */
export function timesOver(text: string, times: number): string {
  return text.repeat(Math.max(1, Math.min(times, Math.floor(MAX_REPEATED_BYTES / Math.max(1, text.length)))));
}

/** Where a line begins, at or behind a place by chance. */
export function lineStart(mail: Buffer, random: Random): number {
  const found = mail.indexOf(0x0a, between(random, 0, mail.length));
  return found < 0 ? mail.length : found + 1;
}
