import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { http } from '@google-cloud/functions-framework';
import { getTestServer } from '@google-cloud/functions-framework/testing';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { installErrorHandler } from '../../../functions/runtime/error-handler.ts';
import { createLog } from '../../../shared/log.ts';

const lines: Record<string, unknown>[] = [];
installErrorHandler(
  createLog({ level: 'debug', format: 'json', sink: (line) => lines.push(JSON.parse(line)) }),
);
http('echo', (request, response) => {
  response.json({ received: request.body });
});

const server = getTestServer('echo');
const print = vi.spyOn(console, 'error').mockReturnValue(undefined);
let url: string;
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  print.mockRestore();
});
beforeEach(() => {
  lines.length = 0;
});

async function post(body: string, headers: Record<string, string>) {
  const response = await fetch(url, { method: 'POST', body, headers });
  const text = await response.text();
  return { status: response.status, type: response.headers.get('content-type'), text };
}

it.each<[string, Record<string, string>, string, string?]>([
  ['malformed JSON', { 'content-type': 'application/json' }, 'The body is not valid JSON.'],
  [
    'a malformed CloudEvent',
    { 'content-type': 'application/cloudevents+json' },
    'The body is not valid JSON.',
  ],
  [
    'an unknown character set',
    { 'content-type': 'application/json; charset=klingon' },
    'The request is malformed and cannot be read.',
  ],
  [
    'an unknown content encoding',
    { 'content-type': 'text/plain', 'content-encoding': 'hush' },
    'The body is compressed. Send it without Content-Encoding.',
  ],
  [
    'a body that is too large to parse',
    { 'content-type': 'application/x-www-form-urlencoded' },
    'The body has too many parameters.',
    'verysecretword=1&'.repeat(1_001),
  ],
])('answers %s with a problem, and neither returns nor logs the body', async (_, headers, detail, body) => {
  const response = await post(body ?? '{"q": "verysecretword', headers);
  expect([response.status, response.type]).toEqual([400, 'application/problem+json; charset=utf-8']);
  expect(JSON.parse(response.text)).toMatchObject({ code: 'bad_request', status: 400, detail });
  expect(lines).toMatchObject([{ event: 'request_failed', error_code: 'bad_request', status: 400 }]);
  expect(response.text + JSON.stringify(lines)).not.toContain('verysecret');
  expect(print).not.toHaveBeenCalled();
});

it('passes a valid request to the function', async () => {
  const { status, text } = await post('{"q": 1}', { 'content-type': 'application/json' });
  expect([status, JSON.parse(text)]).toEqual([200, { received: { q: 1 } }]);
  expect(lines).toEqual([]);
});
