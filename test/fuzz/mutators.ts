/**
 * Mutates an email before it is parsed: bytes, lines and MIME structure. Each mutator returns new bytes.
 * Invariant: all randomness comes from the generator in the context, so that a seed and a number give the same email.
 */
import { between, pick, type Random, seededRandom } from '../../emulators/seeded-random.ts';
import { damageBase64, damageTnef, swapEncoding } from './mutate-contents.ts';
import {
  damageBoundary,
  damageHeader,
  duplicateBoundary,
  nest,
  overflowNumber,
  swapCharset,
} from './mutate-structure.ts';
import {
  lineStart,
  type MutationContext,
  type Mutator,
  pieceOf,
  repeated,
  replaced,
  skewed,
} from './mutation.ts';
import { TOKENS } from './tokens.ts';

/** Limit of a mutated email: the parser takes linear time, so larger emails find no additional failures. */
const MAX_BYTES = 1_500_000;

const MUTATORS: Readonly<Record<string, Mutator>> = {
  flipBits,
  cutBytes,
  truncate,
  splice,
  duplicateLines,
  moveLines,
  changeLineEnds,
  insertToken,
  repeatPiece,
  byteStorm,
  duplicateBoundary,
  damageBoundary,
  damageHeader,
  swapCharset,
  swapEncoding,
  damageBase64,
  nest,
  overflowNumber,
  damageTnef,
};

export interface Mutated {
  readonly bytes: Buffer;
  /** Names of the applied mutators, in order. */
  readonly steps: readonly string[];
}

/** @returns the mutated email of this seed and number; the same arguments give the same bytes */
export function mutatedEmail(corpus: readonly Buffer[], seed: number, number: number): Mutated {
  // Generators of similar seeds start with similar numbers. The odd factors spread neighboring numbers apart.
  const random = seededRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
  const context: MutationContext = { random, other: () => pick(random, corpus) };
  let bytes = context.other();
  const steps: string[] = [];
  // Mostly few mutations, so that the parser gets far into the email before the first one.
  const count = 1 + Math.floor(-Math.log2(1 - random()));
  for (let step = 0; step < Math.min(count, 12); step += 1) {
    const name = pick(random, Object.keys(MUTATORS));
    bytes = (MUTATORS[name] as Mutator)(bytes, context).subarray(0, MAX_BYTES);
    steps.push(name);
  }
  return { bytes, steps };
}

function flipBits(mail: Buffer, { random }: MutationContext): Buffer {
  const flipped = Buffer.from(mail);
  if (flipped.length === 0) return flipped;
  for (let count = skewed(random, 40); count > 0; count -= 1) {
    const at = between(random, 0, flipped.length - 1);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << between(random, 0, 7));
  }
  return flipped;
}

function cutBytes(mail: Buffer, { random }: MutationContext): Buffer {
  const length = skewed(random, mail.length);
  const at = between(random, 0, mail.length - length);
  return replaced(mail, at, at + length, Buffer.alloc(0));
}

function truncate(mail: Buffer, { random }: MutationContext): Buffer {
  return mail.subarray(0, between(random, 0, mail.length));
}

/** Joins the beginning of one email and the end of another, half of the time at line starts. */
function splice(mail: Buffer, { random, other }: MutationContext): Buffer {
  const tail = other();
  const place = random() < 0.5 ? lineStart : (of: Buffer) => between(random, 0, of.length);
  return Buffer.concat([mail.subarray(0, place(mail, random)), tail.subarray(place(tail, random))]);
}

function linesOf(mail: Buffer, random: Random): Buffer {
  const from = lineStart(mail, random);
  let to = from;
  for (let count = skewed(random, 12); count > 0; count -= 1) {
    const end = mail.indexOf(0x0a, to);
    to = end < 0 ? mail.length : end + 1;
  }
  return mail.subarray(from, to);
}

function duplicateLines(mail: Buffer, { random }: MutationContext): Buffer {
  const lines = linesOf(mail, random);
  const copies = repeated(lines, lines.length * skewed(random, 30));
  const at = lineStart(mail, random);
  return replaced(mail, at, at, copies);
}

function moveLines(mail: Buffer, { random }: MutationContext): Buffer {
  const lines = linesOf(mail, random);
  const from = lines.byteOffset - mail.byteOffset;
  const without = replaced(mail, from, from + lines.length, Buffer.alloc(0));
  const at = lineStart(without, random);
  return replaced(without, at, at, lines);
}

function changeLineEnds(mail: Buffer, { random }: MutationContext): Buffer {
  const end = pick(random, ['\n', '\r', '\r\n', '\r\r\n', '\n\r', '\n\n', '']);
  if (random() < 0.5) return Buffer.from(mail.toString('latin1').replaceAll('\r\n', end), 'latin1');
  return Buffer.from(
    mail.toString('latin1').replaceAll(/\r?\n/g, (old) => (random() < 0.1 ? end : old)),
    'latin1',
  );
}

function insertToken(mail: Buffer, { random }: MutationContext): Buffer {
  const at = random() < 0.5 ? lineStart(mail, random) : between(random, 0, mail.length);
  return replaced(mail, at, at, Buffer.from(pick(random, TOKENS), 'latin1'));
}

/** Long repetitions reveal quadratic time. */
function repeatPiece(mail: Buffer, { random }: MutationContext): Buffer {
  const piece = random() < 0.5 ? pieceOf(mail, random) : Buffer.from(pick(random, TOKENS), 'latin1');
  const at = random() < 0.5 ? lineStart(mail, random) : between(random, 0, mail.length);
  return replaced(mail, at, at, repeated(piece, skewed(random, 400_000)));
}

/** Writes a run of bytes that are invalid or unusual in text. */
function byteStorm(mail: Buffer, { random }: MutationContext): Buffer {
  const [low, high] = pick(random, [
    [0, 0],
    [0x80, 0xff],
    [0, 0x1f],
    [0xd8, 0xdf],
    [0x1b, 0x1b],
    [0x0d, 0x0d],
    [0, 0xff],
  ]) as [number, number];
  const storm = Buffer.from(Array.from({ length: skewed(random, 3_000) }, () => between(random, low, high)));
  const at = between(random, 0, mail.length);
  // Inserts the run, or overwrites the bytes at this position.
  return replaced(mail, at, random() < 0.5 ? at : Math.min(mail.length, at + storm.length), storm);
}
