/**
 * Starts the built functions (under the functions framework) and the emulated Gmail as separate processes. For benchmarks
 * and fault injection, where one process must be able to die without the others.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { emulatedCredentials } from '../../emulators/gmail/emulated-gmail.ts';
import { MAIN, type Target } from '../../functions/runtime/targets.ts';
import { freePort } from '../../local/ports.ts';

const ROOT = join(import.meta.dirname, '../..');

/**
 * Builds the functions into a folder that only this process uses, so that another build does not remove files that are in
 * use. The folder is inside the project, so that Node finds the framework. It is removed when this process exits.
 *
 * @returns the path of the folder
 */
export function buildFunctions(): string {
  const out = join(ROOT, '.local', `built-${process.pid}`);
  rmSync(out, { recursive: true, force: true });
  execFileSync(process.execPath, [join(ROOT, 'commands/build.ts'), '--out', out], { stdio: 'ignore' });
  process.once('exit', () => rmSync(out, { recursive: true, force: true }));
  return out;
}

export interface GmailProcess {
  readonly rootUrl: string;
  readonly tokenUrl: string;
  /** Calls the control API of the emulator. */
  control<Answer = unknown>(path: string, body?: unknown): Promise<Answer>;
  /** Environment variables with which a function connects to this emulator. */
  readonly env: Record<string, string>;
  kill(): Promise<void>;
}

export async function startGmailProcess(options: object = {}): Promise<GmailProcess> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'gmail-process.ts'), JSON.stringify(options)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const { rootUrl, tokenUrl, controlUrl } = JSON.parse(line);
  return {
    rootUrl,
    tokenUrl,
    env: {
      GMAIL_CLIENT_ID: emulatedCredentials.clientId,
      GMAIL_CLIENT_SECRET: emulatedCredentials.clientSecret,
      GMAIL_REFRESH_TOKEN: emulatedCredentials.refreshToken,
      GMAIL_API_ROOT_URL: rootUrl,
      GOOGLE_OAUTH_TOKEN_URL: tokenUrl,
    },
    control: async <Answer>(path: string, body?: unknown) => {
      const response = await fetch(`${controlUrl}${path}`, {
        ...(body === undefined
          ? {}
          : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
      if (!response.ok) throw new Error(`control ${path}: ${response.status} ${await response.text()}`);
      const text = await response.text();
      return (text === '' ? null : JSON.parse(text)) as Answer;
    },
    kill: async () => await end(child, 'SIGKILL'),
  };
}

export interface FunctionProcess {
  readonly url: string;
  readonly pid: number;
  /** Sends a POST request and returns the parsed response. Rejects if the process dies before it responds. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read any field
  post(body?: unknown): Promise<{ readonly status: number; readonly json: any }>;
  /** Peak resident memory so far, in bytes. Linux only. */
  peakMemoryBytes(): number;
  readonly logLines: string[];
  /** Resolves when the process exits, with its exit code or signal. */
  readonly ended: Promise<number | NodeJS.Signals>;
  kill(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts one of the built functions under the functions framework, as in the cloud. */
export async function startFunction(
  target: Target,
  env: Record<string, string>,
  dist: string,
): Promise<FunctionProcess> {
  const port = await freePort();
  const program = join(ROOT, 'node_modules/@google-cloud/functions-framework/build/src/main.js');
  const child = spawn(process.execPath, [program, `--source=${dist}`, `--port=${port}`], {
    env: { PATH: process.env['PATH'] ?? '', FUNCTION_TARGET: MAIN, APP_FUNCTION: target, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const logLines: string[] = [];
  const served = new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('URL: ')) resolve();
      else logLines.push(line);
    });
    createInterface({ input: child.stderr }).on('line', (line) => logLines.push(line));
    child.once('exit', (code) => reject(new Error(`${target} ended with ${code}:\n${logLines.join('\n')}`)));
  });
  const ended = once(child, 'exit').then(([code, signal]): number | NodeJS.Signals => code ?? signal);
  await served;
  const url = `http://127.0.0.1:${port}/`;
  return {
    url,
    pid: child.pid ?? 0,
    logLines,
    ended,
    post: async (body) => {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, json: text === '' ? null : JSON.parse(text) };
    },
    peakMemoryBytes: () => {
      const kilobytes = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
      return Number(kilobytes) * 1024;
    },
    kill: async (signal = 'SIGKILL') => await end(child, signal),
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}
