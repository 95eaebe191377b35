/** Which requests the console rejects as cross-site. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestSystem, type TestSystem } from '../../helpers/test-system.ts';

const BASE = '/api/console';
const VERBS = '/api/system/email-monitor';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem();
});
afterAll(() => system.close());

describe('CSRF protection', () => {
  const OWN_HOST = { host: 'console.example.com' };
  const CASES: readonly (readonly [string, Record<string, string>, boolean])[] = [
    [
      'the own page',
      { ...OWN_HOST, 'sec-fetch-site': 'same-origin', origin: 'https://console.example.com' },
      true,
    ],
    [
      'the own page behind a proxy',
      { host: 'run.app', 'sec-fetch-site': 'same-origin', origin: 'http://localhost:8080' },
      true,
    ],
    ['a typed address', { ...OWN_HOST, 'sec-fetch-site': 'none' }, true],
    ['curl', {}, true],
    ['an older browser on the own page', { ...OWN_HOST, origin: 'https://console.example.com' }, true],
    [
      'an older browser behind a proxy',
      {
        host: 'run.app',
        'x-forwarded-host': 'a.example.com, b.example.com',
        origin: 'https://b.example.com',
      },
      true,
    ],
    [
      'a host with the default port',
      { host: 'Console.example.com:443', origin: 'https://console.example.com' },
      true,
    ],
    ['another site', { ...OWN_HOST, 'sec-fetch-site': 'cross-site' }, false],
    ['a sibling subdomain', { ...OWN_HOST, 'sec-fetch-site': 'same-site' }, false],
    ['an older browser on another site', { ...OWN_HOST, origin: 'https://evil.example.com' }, false],
    ['a sandboxed document', { ...OWN_HOST, origin: 'null' }, false],
    ['another port', { host: 'localhost:8080', origin: 'http://localhost:3000' }, false],
    [
      'another site with a matching origin',
      { ...OWN_HOST, 'sec-fetch-site': 'cross-site', origin: 'https://console.example.com' },
      false,
    ],
  ];
  const PATHS = [`${BASE}/dead/retry`, `${BASE}/emails/search`, `${VERBS}/stop`];

  it.each(CASES)(
    'checks a request that changes data or searches from %s',
    async (_name, headers, isAllowed) => {
      for (const path of PATHS) {
        const answered = await system.call('console', { path, headers, body: { q: '' } });
        expect([path, answered.status]).toEqual([path, isAllowed ? 200 : 403]);
        if (!isAllowed)
          expect(answered.json).toMatchObject({ code: 'cross_site', remediation: expect.any(String) });
      }
    },
  );

  it('allows a cross-site request that only reads', async () => {
    const headers = { ...OWN_HOST, 'sec-fetch-site': 'cross-site' };
    expect((await system.call('console', { path: `${BASE}/runs`, method: 'GET', headers })).status).toBe(200);
  });

  it('leaves the monitor running when it rejects a cross-site stop', async () => {
    await system.turnOn();
    await system.call('console', { path: `${VERBS}/stop`, headers: { 'sec-fetch-site': 'cross-site' } });
    expect(await system.rows('select is_running from email_monitor_status')).toEqual([{ is_running: true }]);
  });
});
