/** Which requests the console rejects because a foreign web page may have sent them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestSystem, type TestSystem } from '../../helpers/test-system.ts';

const BASE = '/api/console';
const VERBS = '/api/system/email-monitor';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem();
});
afterAll(() => system.close());

const OWN_HOST = { host: 'console.example.com' };
const OWN_PAGE: readonly (readonly [string, Record<string, string>])[] = [
  ['the own page', { ...OWN_HOST, 'sec-fetch-site': 'same-origin', origin: 'https://console.example.com' }],
  [
    'the own page behind the gcloud proxy',
    { host: 'console-abc.a.run.app', 'sec-fetch-site': 'same-origin', origin: 'http://localhost:8080' },
  ],
  [
    'an older browser behind the gcloud proxy',
    { host: 'console-abc.a.run.app', origin: 'http://127.0.0.1:9090' },
  ],
  ['a typed address', { ...OWN_HOST, 'sec-fetch-site': 'none' }],
  ['an older browser on the own page', { ...OWN_HOST, origin: 'https://console.example.com' }],
  [
    'a host with the default port',
    { host: 'Console.example.com:443', origin: 'https://console.example.com' },
  ],
];
const FOREIGN: readonly (readonly [string, Record<string, string>])[] = [
  ['another site', { ...OWN_HOST, 'sec-fetch-site': 'cross-site' }],
  ['a sibling subdomain', { ...OWN_HOST, 'sec-fetch-site': 'same-site' }],
  ['an older browser on another site', { ...OWN_HOST, origin: 'https://evil.example.com' }],
  ['a sandboxed document', { ...OWN_HOST, origin: 'null' }],
  [
    'another site with a matching origin',
    { ...OWN_HOST, 'sec-fetch-site': 'cross-site', origin: 'https://console.example.com' },
  ],
  [
    'a page that sets X-Forwarded-Host to its own name',
    { host: 'run.app', 'x-forwarded-host': 'evil.example.com', origin: 'http://evil.example.com' },
  ],
  [
    'a rebound name behind the gcloud proxy',
    { host: 'console-abc.a.run.app', origin: 'http://evil.test:8080' },
  ],
  ['a name that only looks like loopback', { ...OWN_HOST, origin: 'http://127.0.0.1.evil.test' }],
];
const CURL: readonly (readonly [string, Record<string, string>])[] = [['curl', OWN_HOST]];

const READS = ['overview', 'emails', 'emails/1', 'emails/1/html', 'emails/1/raw', 'attachments/1', 'runs'];
const WRITES = ['messages/retry', 'messages/search', 'emails/search'];

/** @returns the paths that were rejected */
async function rejected(
  paths: readonly (readonly [method: string, path: string])[],
  headers: Record<string, string>,
): Promise<string[]> {
  const found: string[] = [];
  for (const [method, path] of paths) {
    const query = path.endsWith('/emails') ? { q: 'order' } : {};
    const answered = await system.call('console', { method, path, headers, query, body: { q: '' } });
    if (answered.status !== 403) continue;
    expect(answered.json).toMatchObject({ code: 'cross_site', remediation: expect.any(String) });
    found.push(path);
  }
  return found;
}

const DATA = [
  ...READS.map((path) => ['GET', `${BASE}/${path}`] as const),
  ...WRITES.map((path) => ['POST', `${BASE}/${path}`] as const),
];
const SYSTEM = [
  ['GET', `${VERBS}/status`],
  ['POST', `${VERBS}/stop`],
  ['GET', '/api/openapi.json'],
] as const;
const pathsOf = (calls: readonly (readonly [string, string])[]) => calls.map(([, path]) => path);

describe('protection against foreign pages', () => {
  it.each(OWN_PAGE)('allows every request from %s', async (_name, headers) => {
    expect(await rejected([...DATA, ...SYSTEM], headers)).toEqual([]);
  });

  it.each(FOREIGN)('rejects every read, download and change from %s', async (_name, headers) => {
    expect(await rejected([...DATA, ...SYSTEM], headers)).toEqual(pathsOf([...DATA, ...SYSTEM]));
  });

  it.each(CURL)(
    'allows %s to control the monitor, and rejects it the data of emails',
    async (_name, headers) => {
      expect(await rejected([...DATA, ...SYSTEM], headers)).toEqual(pathsOf(DATA));
    },
  );

  it('reads by POST for a page that cannot send Origin with a GET, and changes nothing that way', async () => {
    const headers = { ...OWN_HOST, origin: 'http://console.example.com', 'x-http-method-override': 'GET' };
    const read = await system.call('console', { path: `${BASE}/runs`, method: 'POST', headers });
    expect([read.status, read.json]).toEqual([200, { runs: [], next_before: null }]);
    const change = await system.call('console', { path: `${BASE}/messages/retry`, method: 'POST', headers });
    expect(change.status).toBe(405);
  });

  it('leaves the monitor running when it rejects a cross-site stop', async () => {
    await system.turnOn();
    await system.call('console', { path: `${VERBS}/stop`, headers: { 'sec-fetch-site': 'cross-site' } });
    expect(await system.rows('select is_running from email_monitor_status')).toEqual([{ is_running: true }]);
  });
});
