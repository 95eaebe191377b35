/** The attributes of which a TNEF stream consists, [MS-OXTNEF] section 2.1.3: level, id, length, value, checksum. */

import { ByteReader } from './byte-reader.ts';

export const TNEF_SIGNATURE = 0x223e9f78;

export const ATTRIBUTE = {
  body: 0x0002800c,
  messageProperties: 0x00069003,
  codepage: 0x00069007,
  attachmentStart: 0x00069002,
  attachmentTitle: 0x00018010,
  attachmentData: 0x0006800f,
  attachmentProperties: 0x00069005,
} as const;

export interface Attribute {
  /** 1: of the message, 2: of the attachment that began last. */
  readonly level: number;
  readonly id: number;
  readonly value: Buffer;
  /** The checksum is wrong, or the stream ends inside the value: the value is then the remaining bytes. */
  readonly isDamaged: boolean;
}

/** The attributes in their order, up to the first invalid one, which is returned empty and damaged. */
export function* readAttributes(stream: Buffer): Generator<Attribute> {
  const reader = new ByteReader(stream);
  const signature = reader.u32();
  // The key that follows has no meaning for a reader.
  const key = reader.u16();
  let isSound = signature === TNEF_SIGNATURE && key !== null && !reader.isAtEnd;
  while (isSound && !reader.isAtEnd) {
    const level = reader.u8();
    const id = reader.u32();
    const size = reader.u32();
    isSound = (level === 1 || level === 2) && id !== null && size !== null;
    if (level === null || id === null || size === null || !isSound) break;
    const whole = reader.take(size);
    const value = whole ?? reader.rest();
    yield { level, id, value, isDamaged: whole === null || reader.u16() !== checksum(value) };
  }
  if (!isSound) yield { level: 0, id: 0, value: Buffer.alloc(0), isDamaged: true };
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (const byte of bytes) sum = (sum + byte) & 0xffff;
  return sum;
}
