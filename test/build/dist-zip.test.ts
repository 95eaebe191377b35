/**
 * Treats `dist/` as the buildpack does: unpacks its zip in an empty folder, installs its one dependency with `npm ci`, and serves
 * every function through the target `main`. Needs the npm registry or a filled npm cache; skipped, with the reason, when neither is available.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { unzipSync, type Zippable, zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TARGETS, type Target } from '../../functions/runtime/targets.ts';
import { order } from '../helpers/test-emails.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';
import { serve, writeDist } from './dist.ts';

const ROOT = join(import.meta.dirname, '../..');
const MAX_ZIP_BYTES = 3_500_000;
const MAX_INSTALLED_BYTES = 20_000_000;
/** Errors of an unreachable registry. Any other error is one of the package. */
const UNREACHABLE =
  /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|ERR_SOCKET_TIMEOUT)\b/;

let root: string;
let source: string;
let zip: Uint8Array;
/** Why nothing could be installed; null: installed. */
let missing: string | null = null;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'email-monitor-zip-'));
  await writeDist(join(root, 'dist'));
  zip = zipSync(readFolder(join(root, 'dist')));
  source = join(root, 'source');
  unpack(zip, source);
  missing = await install(source);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('the zip of the build', () => {
  it('is smaller than 3.5 MB and contains only code, source maps, migrations, the page, the licences of its packages, package.json and its lockfile', () => {
    expect(zip.length).toBeLessThan(MAX_ZIP_BYTES);
    const unexpected = Object.keys(unzipSync(zip)).filter(
      (name) =>
        !/^(package\.json|package-lock\.json|THIRD_PARTY_LICENSES\.txt|(chunks\/)?[\w.-]+\.mjs(\.map)?|migrations\/[\w-]+\.sql|console-page\/[\w.-]+)$/.test(
          name,
        ),
    );
    expect(unexpected).toEqual([]);
  });

  it('installs one package with its dependencies in less than 20 MB', (test) => {
    if (missing !== null) test.skip(missing);
    const { dependencies } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
    expect(Object.keys(dependencies)).toEqual(['@google-cloud/functions-framework']);
    expect(bytesIn(join(source, 'node_modules'))).toBeLessThan(MAX_INSTALLED_BYTES);
  });

  it('has a lockfile with the versions of the project, which names no registry', () => {
    const lockfile = JSON.parse(readFileSync(join(source, 'package-lock.json'), 'utf8'));
    const own = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
    const { '': _root, ...packages } = lockfile.packages;
    const expected = Object.keys(packages).map((path) => [
      path,
      own.packages[path].version,
      own.packages[path].integrity,
    ]);
    expect(
      Object.entries<{ version: string; integrity: string }>(packages).map(
        ([path, { version, integrity }]) => [path, version, integrity],
      ),
    ).toEqual(expected);
    expect(expected.length).toBeGreaterThan(50);
    expect(JSON.stringify(lockfile)).not.toContain('"resolved"');
  });
});

describe('the unpacked and installed build', () => {
  let system: TestSystem;
  beforeAll(async () => {
    system = await createTestSystem();
    system.gmail.deliver(order(1));
  });
  afterAll(async () => await system.close());

  /** How the cloud calls each target, and its status on a running system. */
  const CALLS: Record<Target, { method?: string; path?: string; body?: unknown; status: number }> = {
    poll: { method: 'POST', status: 200 },
    gmailPush: { method: 'POST', body: { message: { data: '' } }, status: 204 },
    ingestMailbox: { method: 'POST', body: { message: { data: '' } }, status: 204 },
    status: { status: 200 },
    start: { method: 'POST', status: 200 },
    stop: { method: 'POST', status: 200 },
    pollNow: { method: 'POST', status: 200 },
    console: { path: 'api/system/email-monitor/status', status: 200 },
    attachmentUrl: { path: '?id=2000000000', status: 404 },
    migrate: { method: 'POST', status: 200 },
  };

  it.each(TARGETS)('serves %s as main, and it answers a call', async (target) => {
    const { method = 'GET', path = '', body, status } = CALLS[target];
    const env = { ...system.env, APP_FUNCTION: target, NODE_ENV: 'production' };
    const served = await serve(source, 'main', env);
    try {
      const answer = await fetch(served.url + path, {
        method,
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
      expect([answer.status, await answer.text(), served.output()]).toEqual([
        status,
        expect.anything(),
        expect.not.stringMatching(/"severity":"(ERROR|CRITICAL)"/),
      ]);
    } finally {
      await served.stop();
    }
  });
});

function readFolder(folder: string): Zippable {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Object.fromEntries(
    entries.map(({ parentPath, name }) => {
      const file = join(parentPath, name);
      return [file.slice(folder.length + 1).replaceAll('\\', '/'), readFileSync(file)];
    }),
  );
}

function unpack(archive: Uint8Array, folder: string): void {
  for (const [name, bytes] of Object.entries(unzipSync(archive))) {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  }
}

/** Installs like the buildpack, with the npm that runs this test, else the one on PATH. @returns the reason when it cannot */
async function install(folder: string): Promise<string | null> {
  const runningNpm = process.env['npm_execpath'];
  const [file, first] = runningNpm?.endsWith('.js') ? [process.execPath, [runningNpm]] : ['npm', []];
  const flags = ['--omit=dev', '--prefer-offline', '--no-audit', '--no-fund', '--fetch-retries=0'];
  try {
    await promisify(execFile)(file, [...first, 'ci', ...flags], { cwd: folder });
    return null;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const code = UNREACHABLE.exec(message)?.[0];
    if (code === undefined) throw error;
    return `npm cannot install the framework: neither the registry nor the cache is available (${code}).`;
  }
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}
