// What the server writes: a status, headers and a body that is made in pieces. The base64url form of a large
// mail is produced while it is sent, never held as one string; its length is known before.

import { randomUUID } from 'node:crypto';

export interface Answer {
  status: number;
  headers: Record<string, string>;
  lengthBytes: number;
  /** The body in pieces; may be asked once. */
  body(): Iterable<Buffer>;
}

const jsonType = 'application/json; charset=UTF-8';

export function jsonAnswer(status: number, value: unknown, headers: Record<string, string> = {}): Answer {
  return textAnswer(status, `${JSON.stringify(value)}\n`, jsonType, headers);
}

export function htmlAnswer(status: number, html: string): Answer {
  return textAnswer(status, html, 'text/html; charset=UTF-8', {});
}

function textAnswer(status: number, text: string, type: string, headers: Record<string, string>): Answer {
  const bytes = Buffer.from(text);
  return {
    status,
    headers: { 'content-type': type, ...headers },
    lengthBytes: bytes.length,
    body: () => [bytes],
  };
}

/** An answer without a body. */
export function emptyAnswer(status: number, headers: Record<string, string> = {}): Answer {
  return { status, headers, lengthBytes: 0, body: () => [] };
}

/** Bytes a piece: a multiple of three, so that the pieces of base64 join without padding between. */
const pieceBytes = 3 << 15;

/**
 * A JSON answer in which one field holds `bytes` as base64url, padded as Gmail pads it.
 * @param shape makes the value around the field from what stands for it
 */
export function bytesAnswer(bytes: Buffer, shape: (encoded: string) => unknown): Answer {
  // Stands for the bytes; new each time, so that no mail can contain it.
  const placeholder = `@${randomUUID()}@`;
  const text = JSON.stringify(shape(placeholder));
  const place = text.indexOf(placeholder);
  // A field mask may have left the bytes out.
  if (place < 0) return textAnswer(200, `${text}\n`, jsonType, {});
  const before = Buffer.from(text.slice(0, place));
  const after = Buffer.from(`${text.slice(place + placeholder.length)}\n`);
  return {
    status: 200,
    headers: { 'content-type': jsonType },
    lengthBytes: before.length + 4 * Math.ceil(bytes.length / 3) + after.length,
    *body() {
      yield before;
      for (let start = 0; start < bytes.length; start += pieceBytes) {
        yield Buffer.from(base64Url(bytes.subarray(start, start + pieceBytes)), 'latin1');
      }
      yield after;
    },
  };
}

/** base64url with padding: Gmail keeps the equals signs, Node's own encoding drops them. */
export function base64Url(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}
