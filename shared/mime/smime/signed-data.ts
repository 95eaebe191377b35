/**
 * Opens S/MIME's `application/pkcs7-mime`: the message inside signed data (RFC 8551, CMS of RFC 5652). Signatures
 * and certificates are not verified: the content is no more trusted than any other email.
 */

import type { AsnType } from 'asn1js';

export type CmsContent =
  /** The MIME entity that was signed. */
  | { readonly kind: 'signed'; readonly entity: Buffer }
  | { readonly kind: 'encrypted' }
  /** Only certificates, or a detached signature: there is no content. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'unreadable' };

const SIGNED_DATA = '1.2.840.113549.1.7.2';
const ENCRYPTED: ReadonlySet<string> = new Set([
  '1.2.840.113549.1.7.3',
  '1.2.840.113549.1.7.6',
  '1.2.840.113549.1.9.16.1.23',
]);
/** ContentInfo, SignedData and the chunks of its content stay below ten. */
const MAX_DEPTH = 24;

const UNREADABLE: CmsContent = { kind: 'unreadable' };

export function isCms(type: string): boolean {
  return /^application\/(?:x-)?pkcs7-mime$/.test(type);
}

/** @param bytes BER or DER */
export async function readCms(bytes: Buffer): Promise<CmsContent> {
  const { fromBER } = await import('./ber.ts');
  try {
    const view =
      bytes.buffer instanceof ArrayBuffer
        ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
        : bytes;
    const { offset, result } = fromBER(view as Uint8Array<ArrayBuffer>, {
      maxDepth: MAX_DEPTH,
      // A signed file of many MB comes in chunks of about a thousand bytes.
      maxNodes: 2_000 + Math.floor(bytes.length / 512),
      maxContentLength: bytes.length,
    });
    if (offset < 0) return UNREADABLE;
    const [contentType, content] = childrenOf(result);
    const type = objectIdentifier(contentType);
    if (type === null) return UNREADABLE;
    if (ENCRYPTED.has(type)) return { kind: 'encrypted' };
    if (type !== SIGNED_DATA) return UNREADABLE;
    return readSignedData(childrenOf(childrenOf(content)[0]));
  } catch {
    return UNREADABLE;
  }
}

/** SignedData: version, digest algorithms, encapsulated content, certificates, signers. */
function readSignedData([, , encapsulated]: readonly AsnType[]): CmsContent {
  const [, content] = childrenOf(encapsulated);
  if (content === undefined) return { kind: 'empty' };
  const chunks: Buffer[] = [];
  collectOctets(childrenOf(content)[0], chunks);
  const entity = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
  return entity === undefined || entity.length === 0 ? { kind: 'empty' } : { kind: 'signed', entity };
}

function childrenOf(node: AsnType | undefined): readonly AsnType[] {
  const value = node === undefined ? undefined : (node.valueBlock as { value?: unknown }).value;
  return Array.isArray(value) ? (value as AsnType[]) : [];
}

function objectIdentifier(node: AsnType | undefined): string | null {
  if (node === undefined || node.idBlock.tagClass !== 1 || node.idBlock.tagNumber !== 6) return null;
  return String((node.valueBlock as unknown as { toString(): string }).toString());
}

/** An octet string is one value, or chunks that are octet strings themselves. */
function collectOctets(node: AsnType | undefined, chunks: Buffer[]): void {
  if (node === undefined) return;
  const children = childrenOf(node);
  if (children.length > 0) {
    for (const child of children) collectOctets(child, chunks);
    return;
  }
  const { valueHexView } = node.valueBlock as { valueHexView?: Uint8Array };
  if (valueHexView !== undefined && valueHexView.length > 0)
    chunks.push(Buffer.from(valueHexView.buffer, valueHexView.byteOffset, valueHexView.length));
}
