import { randomUUID } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileOf } from '../../commands/build/bundle.ts';
import { TARGETS } from '../../functions/runtime/targets.ts';
import { freePort } from '../../local/ports.ts';
import { startMetadataServer } from '../helpers/metadata-server.ts';
import { JOB, schedulerFixture } from '../helpers/scheduler-fixture.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';
import { buildDist, type Dist, type Served, serve, serveUntilExit } from './dist.ts';

let dist: Dist;
let db: TestDatabase;
beforeAll(async () => {
  [dist, db] = await Promise.all([buildDist(), createTestDatabase()]);
}, 60_000);
afterAll(async () => {
  dist.remove();
  await db.close();
});

describe('dist/', () => {
  it('declares its entry, its Node version and its one dependency in the tested version', () => {
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

  it.each(['status', 'console', 'migrate', 'attachment-url'])(
    'loads no Gmail, MIME or Cloud Scheduler code for %s',
    (entry) => {
      const sources = dist.sourcesOf(entry);
      expect(sources).toContain(`functions/${entry}.ts`);
      expect(sources).toContain('shared/errors.ts');
      const heavy =
        /googleapis|gaxios|google-auth-library|@google-cloud\/(pubsub|scheduler|cloud-sql)|postal-mime|shared\/(gmail|handoff|ingest|lookup|mime)\//;
      expect(sources.filter((source) => heavy.test(source))).toEqual([]);
    },
  );

  const google = /googleapis|gaxios|google-auth-library|@google-cloud\//;
  it.each(['poll', 'poll-now', 'gmail-push', 'ingest-mailbox', 'start', 'stop'])(
    "loads none of Google's packages for %s",
    (entry) => {
      const sources = dist.sourcesOf(entry);
      expect(sources).toContain('shared/gmail/gmail-client.ts');
      expect(sources.filter((source) => google.test(source))).toEqual([]);
    },
  );

  it.each(['start', 'stop'])('loads no MIME code for %s', (entry) => {
    expect(dist.sourcesOf(entry).filter((source) => source.includes('shared/mime/'))).toEqual([]);
  });

  it.each(TARGETS.filter((target) => target !== 'console').map(fileOf))(
    'loads at most ten files for %s, because each delays the cold start',
    (entry) => {
      expect(dist.filesOf(entry).length).toBeLessThanOrEqual(10);
    },
  );
});

it('bundles only the Gmail module of googleapis and one authentication method', () => {
  const sources = dist.sourcesOf('google-gmail');
  const apis = sources.filter((source) => source.includes('googleapis/build/src/apis/'));
  expect(apis).toEqual(['node_modules/googleapis/build/src/apis/gmail/v1.js']);
  // Some packages have source maps, which name their TypeScript sources.
  const oauth = sources.filter((source) => /google-auth-library\/.*\/oauth2client\.[jt]s$/.test(source));
  expect(oauth).toHaveLength(1);
  expect(sources.filter((source) => /googleauth\.[jt]s|gcp-metadata|discovery\.[jt]s/.test(source))).toEqual(
    [],
  );
});

it('bundles no code for HTTP/2 or for old runtimes with the Gmail module', () => {
  const sources = dist.sourcesOf('google-gmail');
  expect(sources.filter((source) => /node_modules\/qs\/lib\//.test(source))).not.toEqual([]);
  const unused = /http2\.js|node_modules\/(side-channel|object-inspect|get-intrinsic|web-streams-polyfill)\//;
  expect(sources.filter((source) => unused.test(source))).toEqual([]);
});

it('bundles the Cloud SQL connector without gRPC and with one version of the Admin API', () => {
  const code = readFileSync(join(dist.folder, 'chunks/google-sql-connector.mjs'), 'utf8');
  expect(code).toContain('v1beta4/projects/{project}/instances/{instance}:generateEphemeralCert');
  expect(code).not.toMatch(/grpc|sql\/v1\/projects/);
});

it('imports no package dynamically in deployed sources, because bundling would lose its exports', () => {
  const root = join(import.meta.dirname, '../..');
  const sources = globSync(['functions/**/*.ts', 'shared/**/*.ts'], { cwd: root });
  const dynamicImport = /(?<!typeof )\bimport\('(?!\.|node:|esbuild')/;
  expect(sources.length).toBeGreaterThan(50);
  expect(sources.filter((source) => dynamicImport.test(readFileSync(join(root, source), 'utf8')))).toEqual(
    [],
  );
});

describe('an instance of dist/', () => {
  let status: Served;
  let stop: Served;
  beforeAll(async () => {
    const env = { DATABASE_URL: db.url };
    [status, stop] = await Promise.all([serve(dist.folder, 'status', env), serve(dist.folder, 'stop', env)]);
  }, 60_000);
  afterAll(async () => {
    await Promise.all([status.stop(), stop.stop()]);
  });

  it('answers GET of status with JSON that must not be cached', async () => {
    const response = await fetch(status.url);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toMatchObject({ is_running: false, state: 'not_configured' });
  });

  it('answers HEAD of status with headers only, and serves any path, as the platform routes it', async () => {
    const head = await fetch(status.url, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect((await fetch(`${status.url}some/path/`)).status).toBe(200);
  });

  it('rejects GET of a POST function with 405 and Allow', async () => {
    const response = await fetch(stop.url);
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
    expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(await response.json()).toMatchObject({ code: 'method_not_allowed' });
  });

  it.each(['application/json', 'text/plain', 'application/octet-stream'])(
    'accepts POST of stop with a well-formed body of type %s',
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

  it('reads the scheduler job with the bundled client', async () => {
    const scheduler = await schedulerFixture();
    const served = await serve(dist.folder, 'status', { DATABASE_URL: db.url, ...scheduler.env });
    try {
      const status = (await (await fetch(served.url)).json()) as { scheduler: object };
      expect(status.scheduler).toMatchObject({ job: JOB, state: 'enabled', error: null });
    } finally {
      await served.stop();
      await scheduler.close();
    }
  });

  it('exits at once on SIGTERM', async () => {
    const served = await serve(dist.folder, 'console', { DATABASE_URL: db.url });
    expect((await fetch(`${served.url}api/system/email-monitor/status`)).status).toBe(200);
    expect(await served.stop()).toEqual({ code: 0, signal: null });
  });
});

describe('the target main', () => {
  it('serves the function that APP_FUNCTION names', async () => {
    const served = await serve(dist.folder, 'main', { DATABASE_URL: db.url, APP_FUNCTION: 'status' });
    const answer = await fetch(served.url);
    await served.stop();
    expect([answer.status, await answer.json()]).toEqual([
      200,
      expect.objectContaining({ state: 'not_configured' }),
    ]);
  });

  it('loads only the code of its function, before the first request, and connects to the database', async () => {
    const connections = async () =>
      await db.query<{ pid: number }>('select pid from pg_stat_activity where datname = current_database()');
    const before = new Set((await connections()).rows.map(({ pid }) => pid));
    // Those of an earlier process may still be closing.
    const added = async () => (await connections()).rows.filter(({ pid }) => !before.has(pid)).length;
    // Prints the name of each chunk when it is loaded.
    const preload = `
      import { registerHooks } from 'node:module';
      registerHooks({ load: (url, context, next) => {
        if (url.includes('/chunks/')) console.log('loaded ' + url.split('/').at(-1));
        return next(url, context);
      } });`;
    const served = await serve(dist.folder, 'main', {
      DATABASE_URL: db.url,
      APP_FUNCTION: 'status',
      NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(preload)}`,
    });
    try {
      const loaded = [...served.output().matchAll(/^loaded ([\w-]+)\.mjs$/gm)].map(([, name]) => name);
      expect(loaded).toContain('status');
      expect(loaded.filter((name) => /^(poll|start|stop|console|gmail|migrate)/.test(name ?? ''))).toEqual(
        [],
      );
      await expect.poll(added).toBe(1);
    } finally {
      await served.stop();
    }
  });

  it.each([
    ['--target=main', { APP_FUNCTION: 'status' }],
    ['--target=status', {}],
  ])('works without FUNCTION_TARGET, as with functions-framework %s', async (flag, env) => {
    const served = await serve(dist.folder, null, { DATABASE_URL: db.url, ...env }, ['--source=.', flag]);
    const answer = await fetch(served.url);
    await served.stop();
    expect([answer.status, await answer.json()]).toEqual([
      200,
      expect.objectContaining({ state: 'not_configured' }),
    ]);
  });

  it.each([
    ['is not set', 'main', {}, []],
    ['names no function', 'main', { APP_FUNCTION: 'toString' }, []],
    ['is not set, with --target=main', null, {}, ['--source=.', '--target=main']],
    ['is not set, with --target main', null, {}, ['--source=.', '--target', 'main']],
  ])('exits with the valid names when APP_FUNCTION %s', async (_case, target, given, args) => {
    const env = { DATABASE_URL: db.url, ...given };
    const { code, output } = await serveUntilExit(dist.folder, target, env, args);
    expect(code).toBe(1);
    expect(output).toMatch(
      /^APP_FUNCTION must name the function to serve: poll, gmailPush, ingestMailbox, status, start, stop, pollNow, console, attachmentUrl, migrate\./m,
    );
    expect(output).not.toContain('Serving function');
  });
});

it('migrates an empty database through the first request to status, whose account has no grants', async () => {
  const account = `email-monitor-status@${randomUUID().slice(0, 8)}.iam`;
  const [empty, metadata] = await Promise.all([createTestDatabase(), startMetadataServer()]);
  await empty.query('drop schema public cascade; create schema public');
  await empty.query(`create role "${account}" login password '${new URL(empty.url).password}'`);
  const url = new URL(empty.url);
  url.username = encodeURIComponent(account);
  const DB_ACCOUNTS = `status=${account}`;
  const migrate = await serve(dist.folder, 'migrate', { DATABASE_URL: empty.url, DB_ACCOUNTS });
  const env = { DATABASE_URL: url.href, MIGRATE_URL: migrate.url, GCE_METADATA_HOST: metadata.host };
  const status = await serve(dist.folder, 'status', env);
  try {
    const first = await fetch(status.url);
    expect([first.status, first.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await first.json()).toMatchObject({ code: 'schema_outdated' });
    expect((await fetch(status.url)).status).toBe(200);
    expect(metadata.audiences).toEqual([migrate.url]);
    expect(migrate.output()).toContain('Applied 0001_initial-schema');
    expect(status.output()).toContain('"event":"migrate_called"');
  } finally {
    await Promise.all([status.stop(), migrate.stop()]);
    metadata.close();
    await empty.query(`drop owned by "${account}"; drop role "${account}"`);
    await empty.close();
  }
});

it('serves without a reachable database, and answers 503 with the error code', async () => {
  // No process listens on this port.
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

it('prints every problem of an invalid environment without values, and exits', async () => {
  const { code, output } = await serveUntilExit(dist.folder, 'poll', {
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
