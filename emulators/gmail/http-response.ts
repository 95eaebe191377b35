// HTTP responses of the emulated Gmail: status, headers and a body that is produced in chunks. The base64url form of
// a large message is encoded while it is sent and never held as one string; its length is known beforehand.

import { randomUUID } from 'node:crypto';

export interface HttpResponse {
  status: number;
  headers: Record<string, string>;
  lengthBytes: number;
  /** The body in chunks. Call it at most once. */
  body(): Iterable<Buffer>;
}

const jsonType = 'application/json; charset=UTF-8';

export function jsonResponse(
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): HttpResponse {
  return textResponse(status, `${JSON.stringify(value)}\n`, jsonType, headers);
}

export function htmlResponse(status: number, html: string): HttpResponse {
  return textResponse(status, html, 'text/html; charset=UTF-8', {});
}

function textResponse(
  status: number,
  text: string,
  type: string,
  headers: Record<string, string>,
): HttpResponse {
  const bytes = Buffer.from(text);
  return {
    status,
    headers: { 'content-type': type, ...headers },
    lengthBytes: bytes.length,
    body: () => [bytes],
  };
}

export function emptyResponse(status: number, headers: Record<string, string> = {}): HttpResponse {
  return { status, headers, lengthBytes: 0, body: () => [] };
}

/** A multiple of three, so the encoded chunks join without padding between them. */
const chunkBytes = 3 << 15;

/**
 * A JSON response with `bytes` in one field, as base64url with Gmail's padding.
 * @param shape builds the response value around the encoded field
 */
export function base64Response(bytes: Buffer, shape: (encoded: string) => unknown): HttpResponse {
  // Replaced by the encoded bytes while sending. Random, so no message can contain it.
  const placeholder = `@${randomUUID()}@`;
  const text = JSON.stringify(shape(placeholder));
  const position = text.indexOf(placeholder);
  // The `fields` argument of the request may exclude the field.
  if (position < 0) return textResponse(200, `${text}\n`, jsonType, {});
  const before = Buffer.from(text.slice(0, position));
  const after = Buffer.from(`${text.slice(position + placeholder.length)}\n`);
  return {
    status: 200,
    headers: { 'content-type': jsonType },
    lengthBytes: before.length + 4 * Math.ceil(bytes.length / 3) + after.length,
    *body() {
      yield before;
      for (let start = 0; start < bytes.length; start += chunkBytes) {
        yield Buffer.from(base64Url(bytes.subarray(start, start + chunkBytes)), 'latin1');
      }
      yield after;
    },
  };
}

/** base64url with padding. Gmail keeps the equals signs; Node's `base64url` encoding drops them. */
export function base64Url(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}
