/** Runs one of the commands as an operator does: in a separate process, with exactly the given environment. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const COMMANDS = join(import.meta.dirname, '../../commands');

export interface CommandProcess {
  /** The output so far, stdout and stderr combined. */
  readonly output: string;
  /** Resolves with the match when the output contains it. Rejects if the command ends first. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  signal(signal: NodeJS.Signals): void;
  /** Writes a line to stdin. Requires `input` to be `open`. */
  type(line: string): void;
  /** @returns the exit code */
  ended(): Promise<number | null>;
}

/**
 * @param name of a file in `commands/`, without its extension
 * @param cwd working directory; defaults to the current one
 * @param input `open` makes stdin writable with `type`
 */
export function startCommand(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  cwd?: string,
  input: 'closed' | 'open' = 'closed',
): CommandProcess {
  const child = spawn(process.execPath, [join(COMMANDS, `${name}.ts`), ...args], {
    cwd,
    // A local stack of this checkout must not provide its configuration.
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
      LOCAL_DATA_DIR: '/nonexistent',
      ...env,
    },
    stdio: [input === 'open' ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let hasEnded = false;
  const listeners = new Set<() => void>();
  const notify = () => {
    for (const listener of listeners) listener();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      notify();
    });
  }
  child.stdin?.on('error', () => undefined);
  const end = once(child, 'close').then(([code]) => {
    hasEnded = true;
    notify();
    return code as number | null;
  });
  return {
    get output() {
      return output;
    },
    printed: async (pattern) =>
      await new Promise((resolve, reject) => {
        const check = () => {
          const match = pattern.exec(output);
          if (match === null && !hasEnded) return;
          listeners.delete(check);
          if (match === null) reject(new Error(`${name} ended without ${pattern}:\n${output}`));
          else resolve(match);
        };
        listeners.add(check);
        check();
      }),
    type: (line) => {
      child.stdin?.write(`${line}\n`);
    },
    signal: (signal) => child.kill(signal),
    ended: async () => await end,
  };
}

/** Runs a command until it exits. */
export async function runToEnd(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  cwd?: string,
): Promise<{ readonly code: number | null; readonly output: string }> {
  const command = startCommand(name, args, env, cwd);
  return { code: await command.ended(), output: command.output };
}
