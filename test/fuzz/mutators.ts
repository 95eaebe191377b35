/**
 * What is done to a mail before the reader gets it: damage of bytes, of lines, and of what MIME hangs on.
 * Each takes the bytes and gives others; all chance comes from the one source that it is given.
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
import { type Chance, lineStart, type Mutator, pieceOf, repeated, replaced, skewed } from './pieces.ts';
import { TOKENS } from './tokens.ts';

/** No mutated mail is larger: time is linear, so that more bytes find no more. */
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
  /** Names of what was done, in order. */
  readonly steps: readonly string[];
}

/** The mail that this seed and number name, over these start mails. */
export function mutatedMail(starts: readonly Buffer[], seed: number, number: number): Mutated {
  // Odd factors spread neighbours, whose first numbers would resemble each other.
  const random = seededRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
  const chance: Chance = { random, other: () => pick(random, starts) };
  let bytes = chance.other();
  const steps: string[] = [];
  // Mostly little damage, so that the reader gets far before it meets it.
  const count = 1 + Math.floor(-Math.log2(1 - random()));
  for (let step = 0; step < Math.min(count, 12); step += 1) {
    const name = pick(random, Object.keys(MUTATORS));
    bytes = (MUTATORS[name] as Mutator)(bytes, chance).subarray(0, MAX_BYTES);
    steps.push(name);
  }
  return { bytes, steps };
}

function flipBits(mail: Buffer, { random }: Chance): Buffer {
  const flipped = Buffer.from(mail);
  if (flipped.length === 0) return flipped;
  for (let count = skewed(random, 40); count > 0; count -= 1) {
    const at = between(random, 0, flipped.length - 1);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << between(random, 0, 7));
  }
  return flipped;
}

function cutBytes(mail: Buffer, { random }: Chance): Buffer {
  const length = skewed(random, mail.length);
  const at = between(random, 0, mail.length - length);
  return replaced(mail, at, at + length, Buffer.alloc(0));
}

function truncate(mail: Buffer, { random }: Chance): Buffer {
  return mail.subarray(0, between(random, 0, mail.length));
}

/** The head of one mail and the tail of another; half of the time at line starts. */
function splice(mail: Buffer, { random, other }: Chance): Buffer {
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

function duplicateLines(mail: Buffer, { random }: Chance): Buffer {
  const lines = linesOf(mail, random);
  const copies = repeated(lines, lines.length * skewed(random, 30));
  const at = lineStart(mail, random);
  return replaced(mail, at, at, copies);
}

function moveLines(mail: Buffer, { random }: Chance): Buffer {
  const lines = linesOf(mail, random);
  const from = lines.byteOffset - mail.byteOffset;
  const without = replaced(mail, from, from + lines.length, Buffer.alloc(0));
  const at = lineStart(without, random);
  return replaced(without, at, at, lines);
}

function changeLineEnds(mail: Buffer, { random }: Chance): Buffer {
  const end = pick(random, ['\n', '\r', '\r\n', '\r\r\n', '\n\r', '\n\n', '']);
  if (random() < 0.5) return Buffer.from(mail.toString('latin1').replaceAll('\r\n', end), 'latin1');
  return Buffer.from(
    mail.toString('latin1').replaceAll(/\r?\n/g, (old) => (random() < 0.1 ? end : old)),
    'latin1',
  );
}

function insertToken(mail: Buffer, { random }: Chance): Buffer {
  const at = random() < 0.5 ? lineStart(mail, random) : between(random, 0, mail.length);
  return replaced(mail, at, at, Buffer.from(pick(random, TOKENS), 'latin1'));
}

/** Where time with the square of the length would show. */
function repeatPiece(mail: Buffer, { random }: Chance): Buffer {
  const piece = random() < 0.5 ? pieceOf(mail, random) : Buffer.from(pick(random, TOKENS), 'latin1');
  const at = random() < 0.5 ? lineStart(mail, random) : between(random, 0, mail.length);
  return replaced(mail, at, at, repeated(piece, skewed(random, 400_000)));
}

/** A run of bytes that text should not hold. */
function byteStorm(mail: Buffer, { random }: Chance): Buffer {
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
  // Inserted, or over the bytes at this place.
  return replaced(mail, at, random() < 0.5 ? at : Math.min(mail.length, at + storm.length), storm);
}
