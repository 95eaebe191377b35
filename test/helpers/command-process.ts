/** One of our commands as a person starts it: a process of its own, with exactly this environment. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const COMMANDS = join(import.meta.dirname, '../../commands');

export interface CommandProcess {
  /** What was printed so far, both streams together. */
  readonly output: string;
  /** Resolves with the match as soon as the output has it; rejects when the command ends before. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  signal(signal: NodeJS.Signals): void;
  /** A line at its terminal; only where its input is open. */
  type(line: string): void;
  /** @returns the exit code */
  ended(): Promise<number | null>;
}

/**
 * @param name of a file in `commands/`, without its ending
 * @param cwd the folder that it starts in; this one unless given
 * @param input open: somebody may type
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
    // No local stack of this checkout may lend its configuration.
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], LOCAL_DATA_DIR: '/nonexistent', ...env },
    stdio: [input === 'open' ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let isOver = false;
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const look of waiting) look();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      wake();
    });
  }
  child.stdin?.on('error', () => undefined);
  const end = once(child, 'close').then(([code]) => {
    isOver = true;
    wake();
    return code as number | null;
  });
  return {
    get output() {
      return output;
    },
    printed: async (pattern) =>
      await new Promise((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(output);
          if (match === null && !isOver) return;
          waiting.delete(look);
          if (match === null) reject(new Error(`${name} ended without ${pattern}:\n${output}`));
          else resolve(match);
        };
        waiting.add(look);
        look();
      }),
    type: (line) => {
      child.stdin?.write(`${line}\n`);
    },
    signal: (signal) => child.kill(signal),
    ended: async () => await end,
  };
}

/** Runs a command to its end. */
export async function runToEnd(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  cwd?: string,
): Promise<{ readonly code: number | null; readonly output: string }> {
  const command = startCommand(name, args, env, cwd);
  return { code: await command.ended(), output: command.output };
}
