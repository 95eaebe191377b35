/**
 * What is deployed, as the buildpack treats it: the zip of `dist/` unpacked where nothing else is, its one dependency
 * installed, and every target served by the framework. Needs the npm registry or a filled npm cache; without either it
 * is left out, and says so.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { unzipSync, type Zippable, zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TARGETS, type Target } from '../../functions/runtime/targets.ts';
import { serve, writeDist } from '../build/dist.ts';
import { order } from '../helpers/mails.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';

const MAX_ZIP_BYTES = 3_000_000;
const MAX_INSTALLED_BYTES = 20_000_000;
/** What npm says when it is not reachable; any other failure is one of the package. */
const AWAY =
  /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|ERR_SOCKET_TIMEOUT)\b/;

let root: string;
let source: string;
let zip: Uint8Array;
/** Why nothing could be installed; null when it was. */
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
  it('is smaller than 3 MB and holds code, maps, migrations, the page and one package.json alone', () => {
    expect(zip.length).toBeLessThan(MAX_ZIP_BYTES);
    const strangers = Object.keys(unzipSync(zip)).filter(
      (name) =>
        !/^(package\.json|(chunks\/)?[\w.-]+\.mjs(\.map)?|migrations\/[\w-]+\.sql|console-page\/[\w.-]+)$/.test(
          name,
        ),
    );
    expect(strangers).toEqual([]);
  });

  it('installs one package with what that needs, in less than 20 MB', (test) => {
    if (missing !== null) test.skip(missing);
    const { dependencies } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
    expect(Object.keys(dependencies)).toEqual(['@google-cloud/functions-framework']);
    expect(bytesIn(join(source, 'node_modules'))).toBeLessThan(MAX_INSTALLED_BYTES);
  });
});

describe('unpacked in an empty folder and installed', () => {
  let system: TestSystem;
  beforeAll(async () => {
    system = await createTestSystem();
    system.gmail.deliver(order(1));
  });
  afterAll(async () => await system.close());

  /** How the cloud calls each, and what it answers on a system that runs. */
  const CALLS: Record<Target, { method?: string; path?: string; body?: unknown; status: number }> = {
    poll: { method: 'POST', status: 200 },
    gmailPush: { method: 'POST', body: { message: { data: '' } }, status: 204 },
    status: { status: 200 },
    start: { method: 'POST', status: 200 },
    stop: { method: 'POST', status: 200 },
    pollNow: { method: 'POST', status: 200 },
    console: { path: 'api/system/email-monitor/status', status: 200 },
    migrate: { method: 'POST', status: 200 },
  };

  it.each(TARGETS)('%s is served by the framework and answers a call', async (target) => {
    const { method = 'GET', path = '', body, status } = CALLS[target];
    const served = await serve(source, target, { ...system.env, NODE_ENV: 'production' });
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

/** As the buildpack installs it. The npm that runs this test, else the one on PATH. @returns why not, null when done */
async function install(folder: string): Promise<string | null> {
  const own = process.env['npm_execpath'];
  const [file, first] = own?.endsWith('.js') ? [process.execPath, [own]] : ['npm', []];
  const flags = ['--omit=dev', '--prefer-offline', '--no-audit', '--no-fund', '--fetch-retries=0'];
  try {
    await promisify(execFile)(file, [...first, 'install', ...flags], { cwd: folder });
    return null;
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    const code = AWAY.exec(said)?.[0];
    if (code === undefined) throw error;
    return `npm can install nothing here: neither its registry nor its cache gives the framework (${code}).`;
  }
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}
