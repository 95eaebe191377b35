/** Writes winmail.dat files for tests ([MS-OXTNEF]): attributes with checksums, and MAPI property lists. */

const u16 = (value: number): Buffer => Buffer.from(Uint16Array.of(value).buffer);
const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer);
const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);

export const ID = {
  body: 0x0002800c,
  messageProperties: 0x00069003,
  codepage: 0x00069007,
  attachmentStart: 0x00069002,
  title: 0x00018010,
  data: 0x0006800f,
  attachmentProperties: 0x00069005,
};

export function tnef(...attributes: Buffer[]): Buffer {
  return Buffer.concat([u32(0x223e9f78), u16(1), ...attributes]);
}

export function attribute(level: 1 | 2, id: number, value: Buffer | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(`${value}\0`, 'latin1') : value;
  const sum = bytes.reduce((total, byte) => (total + byte) & 0xffff, 0);
  return Buffer.concat([Buffer.of(level), u32(id), u32(bytes.length), bytes, u16(sum)]);
}

export function properties(...list: Buffer[]): Buffer {
  return Buffer.concat([u32(list.length), ...list]);
}

export function unicode(id: number, text: string): Buffer {
  return variable(0x1f, id, Buffer.from(`${text}\0`, 'utf16le'));
}

export function binary(id: number, bytes: Buffer): Buffer {
  return variable(0x102, id, bytes);
}

/** An object property: the GUID of an interface, then the bytes of the object. */
export function object(id: number, bytes: Buffer): Buffer {
  return variable(0x0d, id, Buffer.concat([Buffer.alloc(16, 7), bytes]));
}

export function long(id: number, value: number): Buffer {
  return Buffer.concat([u16(3), u16(id), u32(value)]);
}

/** A named property. The parser skips it. */
export function named(name: string, value: number): Buffer {
  const text = Buffer.from(`${name}\0`, 'utf16le');
  return Buffer.concat([
    u16(3),
    u16(0x8001),
    Buffer.alloc(16, 1),
    u32(1),
    u32(text.length),
    padded(text),
    u32(value),
  ]);
}

function variable(type: number, id: number, bytes: Buffer): Buffer {
  return Buffer.concat([u16(type), u16(id), u32(1), u32(bytes.length), padded(bytes)]);
}

/** An attachment in the layout of Outlook: short title and data are attributes, the rest are MAPI properties. */
export function attachment(title: string, data: Buffer | null, ...list: Buffer[]): Buffer {
  return Buffer.concat([
    attribute(2, ID.attachmentStart, Buffer.alloc(14)),
    attribute(2, ID.title, title),
    ...(data === null ? [] : [attribute(2, ID.data, data)]),
    ...(list.length === 0 ? [] : [attribute(2, ID.attachmentProperties, properties(...list))]),
  ]);
}
