import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../local/ports.ts';
import { JOB, schedulerFixture } from '../helpers/scheduler-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';
import { buildDist, type Dist, type Served, serve, serveInVain } from './dist.ts';

let dist: Dist;
let db: TestDatabase;
beforeAll(async () => {
  [dist, db] = await Promise.all([buildDist(), createTestDatabase()]);
}, 60_000);
afterAll(async () => {
  dist.remove();
  await db.close();
});

describe('the deployed source', () => {
  it('names its entry, its Node and its one dependency in the exact version that was tested', () => {
    const { dependencies } = JSON.parse(
      readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'),
    );
    const framework = '@google-cloud/functions-framework';
    expect(JSON.parse(readFileSync(join(dist.folder, 'package.json'), 'utf8'))).toMatchObject({
      type: 'module',
      main: 'index.mjs',
      engines: { node: '>=24' },
      dependencies: { [framework]: dependencies[framework] },
    });
  });

  it.each(['status', 'start', 'stop', 'console', 'migrate'])(
    'loads nothing of Gmail, MIME or Scheduler for %s',
    (entry) => {
      const sources = dist.sourcesOf(entry);
      expect(sources).toContain(`functions/${entry}.ts`);
      expect(sources).toContain('shared/errors.ts');
      const heavy =
        /googleapis|gaxios|google-auth-library|@google-cloud\/scheduler|postal-mime|shared\/(gmail|mime|ingest)\//;
      expect(sources.filter((source) => heavy.test(source))).toEqual([]);
    },
  );

  it.each(['poll', 'poll-now', 'gmail-push'])('loads nothing of Google for %s', (entry) => {
    const sources = dist.sourcesOf(entry);
    expect(sources).toContain('shared/gmail/gmail-client.ts');
    const google = /googleapis|gaxios|google-auth-library|@google-cloud\//;
    expect(sources.filter((source) => google.test(source))).toEqual([]);
  });
});

it('the Gmail client of the build holds the Gmail module of googleapis alone, and not all of its ways to authenticate', () => {
  const sources = dist.sourcesOf('gmail-api');
  const apis = sources.filter((source) => source.includes('googleapis/build/src/apis/'));
  expect(apis).toEqual(['node_modules/googleapis/build/src/apis/gmail/v1.js']);
  // Some packages come with source maps, which name their TypeScript.
  const oauth = sources.filter((source) => /google-auth-library\/.*\/oauth2client\.[jt]s$/.test(source));
  expect(oauth).toHaveLength(1);
  expect(sources.filter((source) => /googleauth\.[jt]s|gcp-metadata|discovery\.[jt]s/.test(source))).toEqual(
    [],
  );
});

it('no source that is deployed imports a package late: in the bundle its names would be gone', () => {
  const root = join(import.meta.dirname, '../..');
  const sources = globSync(['functions/**/*.ts', 'shared/**/*.ts'], { cwd: root });
  const late = /(?<!typeof )\bimport\('(?!\.|node:|esbuild')/;
  expect(sources.length).toBeGreaterThan(50);
  expect(sources.filter((source) => late.test(readFileSync(join(root, source), 'utf8')))).toEqual([]);
});

describe('an instance', () => {
  let status: Served;
  let stop: Served;
  beforeAll(async () => {
    const env = { DATABASE_URL: db.url };
    [status, stop] = await Promise.all([serve(dist.folder, 'status', env), serve(dist.folder, 'stop', env)]);
  }, 60_000);
  afterAll(async () => {
    await Promise.all([status.stop(), stop.stop()]);
  });

  it('of status answers GET with JSON that nobody caches', async () => {
    const response = await fetch(status.url);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toMatchObject({ is_running: false, state: 'not_configured' });
  });

  it('of status answers HEAD with the headers alone, and takes any path, as the platform routes it', async () => {
    const head = await fetch(status.url, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect((await fetch(`${status.url}some/path/`)).status).toBe(200);
  });

  it('of a function for POST alone refuses GET with 405 and Allow', async () => {
    const response = await fetch(stop.url);
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
    expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(await response.json()).toMatchObject({ code: 'method_not_allowed' });
  });

  it.each(['application/json', 'text/plain', 'application/octet-stream'])(
    'of stop takes POST with any body of type %s that is well formed',
    async (type) => {
      const response = await fetch(stop.url, {
        method: 'POST',
        body: '{}',
        headers: { 'content-type': type },
      });
      expect(response.status).toBe(200);
    },
  );

  it('answers a malformed JSON body with an RFC 9457 problem, and neither returns nor logs any of it', async () => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(stop.url, { method: 'POST', body: '{"q": "verysecretword', headers });
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({
      type: 'about:blank',
      status: 400,
      code: 'bad_request',
      detail: 'The body is not valid JSON.',
    });
    await expect.poll(() => stop.output()).toContain('Bad request: The body is not valid JSON.');
    expect(text + stop.output()).not.toContain('verysecret');
  });

  it('of status reads its scheduler job by the client that is in the bundle', async () => {
    const fixture = await schedulerFixture();
    const served = await serve(dist.folder, 'status', { DATABASE_URL: db.url, ...fixture.env });
    try {
      const { scheduler } = (await (await fetch(served.url)).json()) as { scheduler: object };
      expect(scheduler).toMatchObject({ job: JOB, state: 'enabled', error: null });
    } finally {
      await served.stop();
      await fixture.close();
    }
  });

  it('ends at once when it is told to', async () => {
    const served = await serve(dist.folder, 'console', { DATABASE_URL: db.url });
    expect((await fetch(`${served.url}api/system/email-monitor/status`)).status).toBe(200);
    expect(await served.stop()).toEqual({ code: 0, signal: null });
  });
});

it('an instance that cannot reach its database serves all the same, and tells it who asks', async () => {
  // A port that nobody listens on.
  const url = `postgres://nobody@127.0.0.1:${await freePort()}/nothing`;
  const served = await serve(dist.folder, 'status', { DATABASE_URL: url });
  try {
    const response = await fetch(served.url);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: 'database_unavailable' });
  } finally {
    expect(await served.stop()).toEqual({ code: 0, signal: null });
  }
});

it('with a wrong environment the process tells every fault, shows no value, and ends', async () => {
  const { code, output } = await serveInVain(dist.folder, 'poll', {
    LOG_LEVEL: 'hush',
    GMAIL_POLL_INTERVAL_SECONDS: 'hush',
    DB_NAME: 'mail',
  });
  expect(code).not.toBe(0);
  for (const name of ['LOG_LEVEL', 'GMAIL_POLL_INTERVAL_SECONDS', 'CLOUD_SQL_INSTANCE', 'DB_USER']) {
    expect(output).toMatch(new RegExp(`^ {2}- ${name} `, 'm'));
  }
  expect(output).toContain('.env.example');
  expect(output).not.toContain('hush');
  expect(output).not.toContain('Serving function');
});
