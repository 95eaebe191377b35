/** Builds the functions as they are deployed, inspects the build, and runs it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../../local/ports.ts';
import type { Environment } from '../../shared/config.ts';

const ROOT = join(import.meta.dirname, '../..');

export interface Dist {
  readonly folder: string;
  /** The files of `chunks/` that a function loads before its first request. */
  filesOf(entry: string): string[];
  /** The source files that are bundled into them, from their source maps. */
  sourcesOf(entry: string): string[];
  remove(): void;
}

export async function buildDist(): Promise<Dist> {
  const folder = mkdtempSync(join(tmpdir(), 'email-monitor-dist-'));
  await writeDist(folder);
  // The buildpack installs this from the package.json of the build.
  const framework = 'node_modules/@google-cloud/functions-framework';
  mkdirSync(join(folder, dirname(framework)), { recursive: true });
  symlinkSync(join(ROOT, framework), join(folder, framework));
  return {
    folder,
    filesOf: (entry) => [...loadedWith(chunkOf(folder, entry))].map((file) => basename(file)),
    sourcesOf: (entry) => [...loadedWith(chunkOf(folder, entry))].flatMap(sourcesIn),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function chunkOf(folder: string, entry: string): string {
  return join(folder, 'chunks', `${entry}.mjs`);
}

/** Writes what `npm run build` writes, and nothing else. */
export async function writeDist(folder: string): Promise<void> {
  await promisify(execFile)(process.execPath, [join(ROOT, 'commands/build.ts'), '--out', folder]);
}

/** The file and all its static imports. */
function loadedWith(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const code = readFileSync(file, 'utf8');
  for (const [, path = ''] of code.matchAll(/^(?:import|export)\b[^;]*?["'](\.[^"']+\.mjs)["'];/gms)) {
    loadedWith(join(dirname(file), path), seen);
  }
  return seen;
}

function sourcesIn(file: string): string[] {
  const { sources } = JSON.parse(readFileSync(`${file}.map`, 'utf8')) as { sources: string[] };
  return sources.map((source) => relative(ROOT, resolve(dirname(file), source)));
}

export interface Served {
  readonly url: string;
  /** Everything that the process has printed. */
  output(): string;
  /** Ends the process with SIGTERM unless given. @returns exit code and signal */
  stop(reason?: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/**
 * Starts a function as the platform does: with the installed framework, FUNCTION_TARGET and PORT.
 *
 * @param args of the framework, for a start without FUNCTION_TARGET
 */
export async function serve(
  folder: string,
  target: string | null,
  env: Environment,
  args: readonly string[] = [],
): Promise<Served> {
  const port = await freePort();
  const child = start(folder, target, { ...env, PORT: String(port) }, args);
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (piece: Buffer) => output.push(piece.toString()));
  await listening(port, child).catch((error: unknown) => {
    throw new Error(`${target} did not start: ${output.join('')}`, { cause: error });
  });
  return {
    url: `http://127.0.0.1:${port}/`,
    output: () => output.join(''),
    stop: async (reason = 'SIGTERM') => {
      const gone = once(child, 'exit');
      child.kill(reason);
      const [code, signal] = await gone;
      return { code, signal };
    },
  };
}

/** Polls the port, because in production the framework prints nothing when it is ready. */
async function listening(port: number, child: ChildProcess): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch {
      await delay(10);
    } finally {
      socket.destroy();
    }
  }
  throw new Error('The process ended before it listened.');
}

/** For a function that is expected to exit at its start. */
export async function serveUntilExit(
  folder: string,
  target: string | null,
  env: Environment,
  args: readonly string[] = [],
): Promise<{ code: number | null; output: string }> {
  const child = start(folder, target, { ...env, PORT: String(await freePort()) }, args);
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (piece: Buffer) => output.push(piece.toString()));
  const [code] = await once(child, 'close');
  return { code, output: output.join('') };
}

function start(folder: string, target: string | null, env: Environment, args: readonly string[] = []) {
  const framework = 'node_modules/@google-cloud/functions-framework/build/src/main.js';
  return spawn(process.execPath, [framework, ...args], {
    cwd: folder,
    // Without the environment of the test runner.
    env: { PATH: process.env['PATH'], ...(target !== null && { FUNCTION_TARGET: target }), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
