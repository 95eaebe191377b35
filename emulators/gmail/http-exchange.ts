// Reads request bodies and writes responses: compressed, plain, or truncated on purpose.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import type { HttpResponse } from './http-response.ts';

export interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
  /** Whether the response may be compressed. */
  compresses: boolean;
}

/** Well above the size of the largest message in base64. */
const bodyLimitBytes = 200 << 20;

export async function bodyText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let lengthBytes = 0;
  for await (const chunk of request) {
    chunks.push(chunk);
    lengthBytes += chunk.length;
    if (lengthBytes > bodyLimitBytes) throw new Error('The request body is too large');
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Sends the response: gzip if the client accepts it, otherwise with its Content-Length. */
export async function writeResponse(exchange: Exchange, content: HttpResponse): Promise<void> {
  const { request, response } = exchange;
  const isCompressed =
    exchange.compresses &&
    content.lengthBytes > 0 &&
    /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
  const body = Readable.from(content.body(), { objectMode: false });
  try {
    if (isCompressed) {
      response.writeHead(content.status, {
        ...content.headers,
        'content-encoding': 'gzip',
        vary: 'Accept-Encoding',
      });
      await pipeline(body, createGzip({ level: constants.Z_BEST_SPEED }), response);
    } else {
      response.writeHead(content.status, lengthHeaders(content));
      await pipeline(body, response);
    }
  } catch {
    // The client has disconnected.
    response.destroy();
  }
}

/** Announces the whole response in Content-Length, sends half of the bytes and destroys the connection. */
export async function writeTruncated(exchange: Exchange, content: HttpResponse): Promise<void> {
  const { response } = exchange;
  response.writeHead(content.status, lengthHeaders(content));
  let bytesLeft = Math.floor(content.lengthBytes / 2);
  for (const chunk of content.body()) {
    const part = chunk.subarray(0, bytesLeft);
    bytesLeft -= part.length;
    await new Promise((resolve) => response.write(part, resolve));
    if (bytesLeft <= 0) break;
  }
  response.destroy();
}

function lengthHeaders(content: HttpResponse): Record<string, string> {
  return content.status === 204
    ? content.headers
    : { ...content.headers, 'content-length': String(content.lengthBytes) };
}

/** Resolves when the response is complete or the connection is closed. */
export function ended(exchange: Exchange): Promise<void> {
  const { response } = exchange;
  if (response.writableFinished || response.destroyed) return Promise.resolve();
  return new Promise((resolve) => response.once('close', resolve));
}
