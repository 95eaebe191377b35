/** Damages the contents of parts: transfer encodings, base64, and winmail.dat within its base64. */
import { between, pick, type Random } from '../../emulators/seeded-random.ts';
import { base64Lines } from '../mime/mail-builder.ts';
import { changeOne, oneMatch } from './mutate-structure.ts';
import { type MutationContext, pieceOf, repeated, replaced, skewed } from './mutation.ts';
import { ENCODINGS } from './tokens.ts';

const BASE64_BLOCK = /(?:^[A-Za-z0-9+/]{16,100}={0,2}\r?\n){1,2000}/gm;
/** Base64 of a winmail.dat, which begins with the bytes 78 9f 3e 22. */
const TNEF_BLOCK = /^eJ8\+Ig[A-Za-z0-9+/=\r\n]+/gm;

export function swapEncoding(mail: Buffer, { random }: MutationContext): Buffer {
  const pattern = /^Content-Transfer-Encoding:[^\r\n]*/gim;
  return changeOne(mail, pattern, random, () => `Content-Transfer-Encoding: ${pick(random, ENCODINGS)}`);
}

export function damageBase64(mail: Buffer, { random }: MutationContext): Buffer {
  return changeOne(mail, BASE64_BLOCK, random, ([block]) => {
    let damaged = block;
    for (let count = skewed(random, 20); count > 0; count -= 1) {
      const at = between(random, 0, damaged.length);
      const piece = pick(random, [
        '',
        '=',
        '==',
        '====',
        '-',
        '_',
        '\0',
        '\xff',
        '\r\n\r\n',
        ' ',
        '.',
        '--',
        'A',
        '!!!',
      ]);
      damaged = damaged.slice(0, at) + piece + damaged.slice(at + between(random, 0, 3));
    }
    return damaged;
  });
}

export function damageTnef(mail: Buffer, { random }: MutationContext): Buffer {
  const match = oneMatch(mail, TNEF_BLOCK, random);
  if (match === null) return mail;
  let file = Buffer.from(match[0], 'base64');
  for (let count = skewed(random, 12); count > 0; count -= 1) file = damagedFile(file, random);
  return replaced(mail, match.index, match.index + match[0].length, Buffer.from(`${base64Lines(file)}\r\n`));
}

function damagedFile(file: Buffer, random: Random): Buffer<ArrayBuffer> {
  const copy = Buffer.from(file);
  // The signature stays intact, because the parser ignores the file without it.
  const at = between(random, Math.min(6, copy.length), copy.length);
  switch (between(random, 0, 4)) {
    case 0: {
      // Overwrites a length, a count or an id at any position.
      if (at + 4 > copy.length) return copy;
      copy.writeUInt32LE(
        pick(random, [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, copy.length, 0xfffe, 0x3701001f]),
        at,
      );
      return copy;
    }
    case 1:
      return copy.subarray(0, at);
    case 2:
      return Buffer.from(replaced(copy, at, at, Buffer.from(pieceOf(copy, random))));
    case 3: {
      const piece = Buffer.from(pieceOf(copy, random, 400));
      return Buffer.from(
        replaced(copy, at, at, repeated(piece, Math.min(60_000, piece.length * skewed(random, 2_000)))),
      );
    }
    default:
      if (at < copy.length) copy[at] = between(random, 0, 255);
      return copy;
  }
}
