// Reading a request and writing an answer: bodies, compression, and the ways in which an answer breaks off.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import type { Answer } from './answer.ts';

export interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
  /** Whether an answer may be compressed at all. */
  compresses: boolean;
}

/** Larger than the largest mail in base64, with room to spare. */
const bodyLimitBytes = 200 << 20;

export async function bodyText(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let lengthBytes = 0;
  for await (const piece of request) {
    pieces.push(piece);
    lengthBytes += piece.length;
    if (lengthBytes > bodyLimitBytes) throw new Error('The request body is too large');
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** Sends the answer, gzip when the client takes it, else with its length. */
export async function writeAnswer(exchange: Exchange, answer: Answer): Promise<void> {
  const { request, response } = exchange;
  const isCompressed =
    exchange.compresses &&
    answer.lengthBytes > 0 &&
    /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
  const body = Readable.from(answer.body(), { objectMode: false });
  try {
    if (isCompressed) {
      response.writeHead(answer.status, {
        ...answer.headers,
        'content-encoding': 'gzip',
        vary: 'Accept-Encoding',
      });
      await pipeline(body, createGzip({ level: constants.Z_BEST_SPEED }), response);
    } else {
      response.writeHead(answer.status, lengthHeaders(answer));
      await pipeline(body, response);
    }
  } catch {
    // The client has gone away.
    response.destroy();
  }
}

/** Promises the whole answer, sends half of its bytes and cuts the connection. */
export async function writeTruncated(exchange: Exchange, answer: Answer): Promise<void> {
  const { response } = exchange;
  response.writeHead(answer.status, lengthHeaders(answer));
  let bytesLeft = Math.floor(answer.lengthBytes / 2);
  for (const piece of answer.body()) {
    const part = piece.subarray(0, bytesLeft);
    bytesLeft -= part.length;
    await new Promise((resolve) => response.write(part, resolve));
    if (bytesLeft <= 0) break;
  }
  response.destroy();
}

function lengthHeaders(answer: Answer): Record<string, string> {
  return answer.status === 204
    ? answer.headers
    : { ...answer.headers, 'content-length': String(answer.lengthBytes) };
}

/** Resolves when the connection of the exchange is gone or the answer is complete. */
export function ended(exchange: Exchange): Promise<void> {
  const { response } = exchange;
  if (response.writableFinished || response.destroyed) return Promise.resolve();
  return new Promise((resolve) => response.once('close', resolve));
}
