import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { http } from '@google-cloud/functions-framework';
import { getTestServer } from '@google-cloud/functions-framework/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { installErrorHandler } from '../../../functions/runtime/error-handler.ts';
import { createLog } from '../../../shared/log.ts';

installErrorHandler(createLog({ level: 'debug', format: 'json', sink: () => undefined }));
/** Sizes of the bodies that reached the function. */
const received: number[] = [];
http('measure', (request, response) => {
  received.push(request.rawBody?.length ?? 0);
  response.send('ok');
});

const server = getTestServer('measure');
let url: string;
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

const BODY = Buffer.from(JSON.stringify({ text: 'x'.repeat(5_000_000) }));

it.each([
  ['gzip', gzipSync(BODY)],
  ['GZIP', gzipSync(BODY)],
  ['deflate', deflateSync(BODY)],
  ['br', brotliCompressSync(BODY)],
])('rejects a body with the encoding %s without inflating it', async (encoding, body) => {
  const headers = { 'content-type': 'application/json', 'content-encoding': encoding };
  const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) });
  expect([response.status, await response.json()]).toEqual([
    400,
    expect.objectContaining({ detail: 'The body is compressed. Send it without Content-Encoding.' }),
  ]);
  expect(received).toEqual([]);
});

it('accepts a body with the encoding identity', async () => {
  const headers = { 'content-type': 'application/json', 'content-encoding': 'identity' };
  expect((await fetch(url, { method: 'POST', headers, body: '{}' })).status).toBe(200);
  expect(received).toEqual([2]);
});
