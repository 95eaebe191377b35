/**
 * The MAPI property lists inside winmail.dat: [MS-OXTNEF] section 2.1.3.4, property identifiers by
 * [MS-OXPROPS]. Only the properties that `tnef.ts` needs are kept. A damaged list gives the properties before
 * the damage.
 */

import { ByteReader } from './byte-reader.ts';

export const PROPERTY = {
  body: 0x1000,
  bodyHtml: 0x1013,
  compressedRtf: 0x1009,
  subject: 0x0037,
  internetCodepage: 0x3fde,
  displayName: 0x3001,
  attachData: 0x3701,
  attachFilename: 0x3704,
  attachLongFilename: 0x3707,
  attachMimeTag: 0x370e,
  attachContentId: 0x3712,
} as const;

export const TYPE = {
  long: 0x0003,
  object: 0x000d,
  string8: 0x001e,
  unicode: 0x001f,
  binary: 0x0102,
} as const;

export interface Property {
  readonly type: number;
  readonly value: Buffer;
}

export interface PropertyList {
  readonly properties: ReadonlyMap<number, Property>;
  readonly isDamaged: boolean;
}

const KEPT: ReadonlySet<number> = new Set(Object.values(PROPERTY));
const VARIABLE: ReadonlySet<number> = new Set([TYPE.object, TYPE.string8, TYPE.unicode, TYPE.binary]);
const MULTIPLE = 0x1000;
/** Bytes of one value of a fixed type, padded to four. */
const FIXED_BYTES: ReadonlyMap<number, number> = new Map([
  [0x0001, 4],
  [0x0002, 4],
  [0x0003, 4],
  [0x0004, 4],
  [0x0005, 8],
  [0x0006, 8],
  [0x0007, 8],
  [0x000a, 4],
  [0x000b, 4],
  [0x0014, 8],
  [0x0040, 8],
  [0x0048, 16],
]);

export function readProperties(bytes: Buffer): PropertyList {
  const reader = new ByteReader(bytes);
  const properties = new Map<number, Property>();
  const count = reader.u32() ?? 0;
  // Each property takes at least four bytes, so a false count ends at the end of the bytes.
  for (let index = 0; index < count; index += 1) {
    const type = reader.u16();
    const id = reader.u16();
    if (type === null || id === null || (id >= 0x8000 && !skipName(reader)))
      return { properties, isDamaged: true };
    const value = readValue(reader, type);
    if (value === null) return { properties, isDamaged: true };
    if (KEPT.has(id) && !properties.has(id)) properties.set(id, { type: type & ~MULTIPLE, value });
  }
  return { properties, isDamaged: false };
}

/** Skips the name of a named property: a set's GUID and a number or a string. */
function skipName(reader: ByteReader): boolean {
  reader.take(16);
  const kind = reader.u32();
  const size = reader.u32();
  if (kind === null || size === null) return false;
  return kind === 0 || reader.take(padded(size)) !== null;
}

/** The first value of a property; null when the bytes end in it or its type is unknown. */
function readValue(reader: ByteReader, type: number): Buffer | null {
  const base = type & ~MULTIPLE;
  const isVariable = VARIABLE.has(base);
  const count = isVariable || (type & MULTIPLE) !== 0 ? reader.u32() : 1;
  if (count === null) return null;
  let first: Buffer | null = count === 0 ? Buffer.alloc(0) : null;
  for (let index = 0; index < count; index += 1) {
    const value = isVariable
      ? readVariable(reader)
      : reader.take(FIXED_BYTES.get(base) ?? Number.POSITIVE_INFINITY);
    if (value === null) return null;
    first ??= value;
  }
  return first;
}

function readVariable(reader: ByteReader): Buffer | null {
  const size = reader.u32();
  const value = size === null ? null : reader.take(size);
  // The padding after the last value may be missing.
  if (value !== null) reader.take(padded(value.length) - value.length);
  return value;
}

function padded(size: number): number {
  return Math.ceil(size / 4) * 4;
}
