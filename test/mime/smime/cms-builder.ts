/** Writes CMS objects for tests: the subset of RFC 5652 for a signed message, in DER or in BER with chunks. */

const tlv = (tag: number, ...contents: Buffer[]): Buffer => {
  const content = Buffer.concat(contents);
  const size = content.length;
  const length =
    size < 128 ? [size] : [0x84, size >>> 24, (size >>> 16) & 255, (size >>> 8) & 255, size & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
};
/** A constructed value of indefinite length. Signers that stream their output write these. */
const open = (tag: number, ...contents: Buffer[]): Buffer =>
  Buffer.concat([Buffer.from([tag, 0x80]), ...contents, Buffer.alloc(2)]);
const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, 'hex'));

const DATA = oid('2a864886f70d010701');
const SIGNED_DATA = oid('2a864886f70d010702');
const ENVELOPED_DATA = oid('2a864886f70d010703');

/** Signed data that contains a MIME entity; null writes a detached signature. */
export function signedData(entity: Buffer | null): Buffer {
  const content = entity === null ? [] : [tlv(0xa0, tlv(0x04, entity))];
  const signed = tlv(0x30, tlv(0x02, Buffer.of(1)), tlv(0x31), tlv(0x30, DATA, ...content), tlv(0x31));
  return tlv(0x30, SIGNED_DATA, tlv(0xa0, signed));
}

/** Like `signedData`, in BER: lengths are indefinite and the entity is split into chunks. */
export function signedDataInChunks(entity: Buffer, chunkBytes: number): Buffer {
  const chunks: Buffer[] = [];
  for (let at = 0; at < entity.length; at += chunkBytes)
    chunks.push(tlv(0x04, entity.subarray(at, at + chunkBytes)));
  const content = open(0x30, DATA, open(0xa0, open(0x24, ...chunks)));
  const signed = open(0x30, tlv(0x02, Buffer.of(1)), tlv(0x31), content, tlv(0x31));
  return open(0x30, SIGNED_DATA, open(0xa0, signed));
}

export function envelopedData(): Buffer {
  return tlv(0x30, ENVELOPED_DATA, tlv(0xa0, tlv(0x30, tlv(0x02, Buffer.of(0)), tlv(0x31))));
}
