/** The project's `.npmrc`: `npm ci` prints errors, but not the engine warnings of an older Node. */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

vi.setConfig({ testTimeout: 60_000 });

const NPMRC = join(import.meta.dirname, '../../.npmrc');
/** A package for a Node that does not exist yet. */
const FUTURE = { name: 'future', version: '1.0.0', engines: { node: '>=99' } };

let root: string;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'email-monitor-npm-'));
  mkdirSync(join(root, 'future'));
  writeFileSync(join(root, 'future/package.json'), JSON.stringify(FUTURE));
  await npm(['pack', './future', '--silent']);
  writePackage({ future: 'file:future-1.0.0.tgz' });
  await npm(['install', '--package-lock-only', '--offline', '--silent']);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function writePackage(dependencies: Readonly<Record<string, string>>): void {
  writeFileSync(
    join(root, 'package.json'),
    JSON.stringify({ name: 'project', version: '1.0.0', dependencies }),
  );
}

/** With the npm that runs this test, else the one on PATH, and without its settings. @returns exit code and output */
async function npm(args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  const runningNpm = process.env['npm_execpath'];
  const [file, first] = runningNpm?.endsWith('.js') ? [process.execPath, [runningNpm]] : ['npm', []];
  const env = { PATH: process.env['PATH'], HOME: root };
  try {
    const { stdout, stderr } = await promisify(execFile)(file, [...first, ...args], { cwd: root, env });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: stdout + stderr };
  }
}

describe('.npmrc', () => {
  it('silences the engine warnings of npm ci', async () => {
    const before = await npm(['ci', '--offline']);
    expect([before.code, before.output]).toEqual([0, expect.stringContaining('EBADENGINE')]);
    copyFileSync(NPMRC, join(root, '.npmrc'));
    const after = await npm(['ci', '--offline']);
    expect([after.code, after.output]).toEqual([0, expect.stringContaining('added 1 package')]);
    expect(after.output).not.toMatch(/warn|EBADENGINE/);
  });

  it('keeps the errors of npm ci', async () => {
    copyFileSync(NPMRC, join(root, '.npmrc'));
    writePackage({ future: 'file:future-1.0.0.tgz', other: 'file:other-1.0.0.tgz' });
    const { code, output } = await npm(['ci', '--offline']);
    expect(code).not.toBe(0);
    expect(output).toMatch(/^npm error /m);
  });
});
