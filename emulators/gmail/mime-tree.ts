// The parts of a message as `format=full` returns them: with Gmail's part ids, headers, type, file name and a view of
// the encoded bytes. Bodies are decoded on demand.

import { type Headers, headerEnd, parseHeaders } from './mime-headers.ts';
import { decodeTransfer, parseParameters } from './mime-text.ts';

export interface MimePart {
  /** Empty for the message itself, then `0`, `1`, `1.0`, ... */
  partId: string;
  headers: Headers;
  mimeType: string;
  charset: string;
  /** Decoded file name; empty if the part has none. */
  filename: string;
  /** The encoded body, a view of the raw message; empty for a multipart container. */
  body: Buffer;
  encoding: string;
  parts: MimePart[];
}

/** Parts below this depth are not parsed, against maliciously nested messages. */
const maxDepth = 50;

export function parseMail(raw: Buffer): MimePart {
  return parsePart(raw, '', 0);
}

/** The part and all its descendants, in document order. */
export function* allParts(part: MimePart): Generator<MimePart> {
  yield part;
  for (const child of part.parts) yield* allParts(child);
}

export function decodeBody(part: MimePart): Buffer {
  return decodeTransfer(part.body, part.encoding);
}

/** True if Gmail returns the content of the part through messages.attachments.get only. */
export function isAttachment(part: MimePart): boolean {
  if (part.mimeType.startsWith('multipart/')) return false;
  return part.filename !== '' || !(part.mimeType.startsWith('text/') || part.mimeType === '');
}

function parsePart(bytes: Buffer, partId: string, depth: number): MimePart {
  const headers = parseHeaders(bytes);
  const type = parseParameters(headers.get('content-type') ?? 'text/plain');
  const disposition = parseParameters(headers.get('content-disposition') ?? '');
  const part: MimePart = {
    partId,
    headers,
    mimeType: type.value || 'text/plain',
    charset: type.parameters.get('charset') ?? 'utf-8',
    filename: disposition.parameters.get('filename') ?? type.parameters.get('name') ?? '',
    body: bytes.subarray(headerEnd(bytes).bodyStart),
    encoding: headers.get('content-transfer-encoding') ?? '7bit',
    parts: [],
  };
  const boundary = type.parameters.get('boundary');
  if (depth < maxDepth && part.mimeType.startsWith('multipart/') && boundary !== undefined) {
    const pieces = splitAtBoundary(part.body, boundary);
    part.parts = pieces.map((piece, index) => parsePart(piece, childId(partId, index), depth + 1));
    part.body = Buffer.alloc(0);
  } else if (depth < maxDepth && part.mimeType === 'message/rfc822') {
    part.parts = [parsePart(decodeBody(part), childId(partId, 0), depth + 1)];
  }
  return part;
}

function childId(partId: string, index: number): string {
  return partId === '' ? String(index) : `${partId}.${index}`;
}

/** The parts between the boundary lines, without the line break that belongs to the boundary. */
function splitAtBoundary(body: Buffer, boundary: string): Buffer[] {
  const marker = Buffer.from(`--${boundary}`);
  const pieces: Buffer[] = [];
  let start = -1;
  for (let at = body.indexOf(marker); at >= 0; at = body.indexOf(marker, at + marker.length)) {
    if (at > 0 && body[at - 1] !== 0x0a) continue;
    const rest = body.subarray(at + marker.length, at + marker.length + 2).toString('latin1');
    const isEnd = rest === '--';
    // Skip a longer boundary that starts with this one.
    if (!isEnd && !/^(?:[\r\n \t]|$)/.test(rest)) continue;
    if (start >= 0) pieces.push(withoutLineEnd(body.subarray(start, at)));
    if (isEnd) return pieces;
    const lineEnd = body.indexOf(0x0a, at);
    start = lineEnd < 0 ? body.length : lineEnd + 1;
  }
  // A truncated message has no closing boundary.
  if (start >= 0) pieces.push(body.subarray(start));
  return pieces;
}

function withoutLineEnd(bytes: Buffer): Buffer {
  if (bytes.at(-1) !== 0x0a) return bytes;
  return bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1);
}
