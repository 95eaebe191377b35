import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';

const BASE = '/api/system/email-monitor';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem();
});
afterAll(() => system.close());

async function at(path: string, method: string, query: Record<string, string> = {}) {
  return await system.call('console', { path, method, query });
}

describe('the console', () => {
  it('has the four verbs under one path', async () => {
    expect((await at(`${BASE}/start`, 'POST')).json.is_running).toBe(true);
    expect((await at(`${BASE}/status`, 'GET')).json.is_running).toBe(true);
    expect((await at(`${BASE}/stop`, 'POST')).json.is_running).toBe(false);
    expect((await at(`${BASE}/poll-now`, 'POST')).json.outcome).toBe('completed');
  });

  it('answers as each function by itself', async () => {
    expect((await at(`${BASE}/status`, 'GET')).json).toEqual((await system.call('status')).json);
    expect((await at(`${BASE}/poll-now`, 'POST', { retry: 'bad' })).json.code).toBe('bad_request');
  });

  it('takes a slash at the end, and HEAD for status', async () => {
    expect((await at(`${BASE}/status/`, 'GET')).status).toBe(200);
    expect((await at(`${BASE}/status`, 'HEAD')).status).toBe(200);
  });

  it.each([
    ['GET', 'start', 'POST'],
    ['GET', 'stop', 'POST'],
    ['GET', 'poll-now', 'POST'],
    ['DELETE', 'start', 'POST'],
    ['POST', 'status', 'GET, HEAD'],
  ])('refuses %s of %s and names %s', async (method, verb, allow) => {
    const refused = await at(`${BASE}/${verb}`, method);
    expect([refused.status, refused.headers['allow'], refused.json.code]).toEqual([
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
  ])('has nothing at %s', async (path) => {
    const missing = await at(path, 'GET');
    expect(missing.status).toBe(404);
    expect(missing.headers['content-type']).toBe('application/problem+json');
    expect(missing.json).toMatchObject({
      code: 'not_found',
      remediation: expect.stringContaining('/api/openapi.json'),
    });
  });
});
