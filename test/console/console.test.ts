/** The function `console`: its paths, methods and security headers. */
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';

const BASE = '/api/system/email-monitor';
const DATA = '/api/console';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem();
});
afterAll(() => system.close());

async function at(path: string, method: string, query: Record<string, string> = {}) {
  return await system.call('console', { path, method, query });
}

describe('console', () => {
  it('serves status, start, stop and poll-now', async () => {
    expect((await at(`${BASE}/start`, 'POST')).json.is_running).toBe(true);
    expect((await at(`${BASE}/status`, 'GET')).json.is_running).toBe(true);
    expect((await at(`${BASE}/stop`, 'POST')).json.is_running).toBe(false);
    expect((await at(`${BASE}/poll-now`, 'POST')).json.outcome).toBe('completed');
  });

  it('returns the same response as each function on its own', async () => {
    expect((await at(`${BASE}/status`, 'GET')).json).toEqual((await system.call('status')).json);
    expect((await at(`${BASE}/poll-now`, 'POST', { retry: 'bad' })).json.code).toBe('bad_request');
  });

  it('accepts a trailing slash, and HEAD for status', async () => {
    expect((await at(`${BASE}/status/`, 'GET')).status).toBe(200);
    expect((await at(`${BASE}/status`, 'HEAD')).status).toBe(200);
  });

  it.each([
    ['GET', 'start', 'POST'],
    ['GET', 'stop', 'POST'],
    ['GET', 'poll-now', 'POST'],
    ['DELETE', 'start', 'POST'],
    ['POST', 'status', 'GET, HEAD'],
  ])('rejects %s of %s and allows %s', async (method, verb, allow) => {
    const response = await at(`${BASE}/${verb}`, method);
    expect([response.status, response.headers['allow'], response.json.code]).toEqual([
      405,
      allow,
      'method_not_allowed',
    ]);
  });

  it.each([
    '/status',
    BASE,
    `${BASE}/`,
    `${BASE}/poll`,
    `${BASE}/gmailPush`,
    `${BASE}/status/x`,
    `${BASE}//status`,
    `${BASE}/toString`,
    `${BASE}/__proto__`,
    `/x${BASE}/status`,
  ])('answers 404 at %s', async (path) => {
    const missing = await at(path, 'GET');
    expect(missing.status).toBe(404);
    expect(missing.headers['content-type']).toBe('application/problem+json');
    expect(missing.json).toMatchObject({
      code: 'not_found',
      remediation: expect.stringContaining('/api/openapi.json'),
    });
  });
});

test.each([
  ['GET', 'messages/retry', 'POST'],
  ['GET', 'messages/1/retry', 'POST'],
  ['GET', 'messages/1/give-up', 'POST'],
  ['GET', 'emails/search', 'POST'],
  ['POST', 'overview', 'GET, HEAD'],
  ['DELETE', 'emails/1', 'GET, HEAD'],
])('rejects %s of %s under /api/console and allows %s', async (method, path, allow) => {
  const response = await system.call('console', { path: `${DATA}/${path}`, method });
  // "search" is not a valid id either, but the method is checked first.
  expect([response.status, response.headers['allow']]).toEqual([405, allow]);
});

test.each(['/', `${DATA}/overview`, `${DATA}/nothing`, `${DATA}/emails/x`, `${BASE}/status`])(
  'sends the security headers with the response at %s',
  async (path) => {
    expect((await system.call('console', { path, method: 'GET' })).headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    });
  },
);
