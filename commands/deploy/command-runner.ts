/**
 * Runs npm, Terraform and gcloud from PATH. Each runs in its own process group, which the terminal's Ctrl-C does not reach.
 * It gets each Ctrl-C from here exactly once. At the first one Terraform stops in order and releases its lock; at the
 * second one it exits at once and leaves the lock.
 * Invariant: no argument contains a secret, because every user of the machine can read it.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Environment } from '../../shared/config.ts';
import { Interrupted, type Shutdown } from '../support/shutdown-signal.ts';

export interface CommandOutput {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class CommandRunner {
  readonly #root: string;
  readonly #env: Environment;
  readonly #shutdown: Shutdown | null;

  /**
   * @param root the working directory of the programs
   * @param shutdown null: Ctrl-C ends this process at once
   */
  constructor(root: string, env: Environment, shutdown: Shutdown | null = null) {
    this.#root = root;
    this.#env = env;
    this.#shutdown = shutdown;
  }

  isInstalled(name: string): boolean {
    const folders = (this.#env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
    return folders.some((folder) => isProgram(join(folder, name)));
  }

  /** Connects the program to the terminal. @returns the exit code. @throws {Interrupted} */
  async runInTerminal(name: string, args: readonly string[]): Promise<number> {
    return (await this.#run(name, args, 'inherit', 'inherit')).code;
  }

  /** Without input and without output to the terminal. @throws {Interrupted} */
  async capture(name: string, args: readonly string[]): Promise<CommandOutput> {
    return await this.#run(name, args, 'ignore', 'pipe');
  }

  /** Like `capture`, with a secret on standard input. @throws {Interrupted} */
  async captureWithInput(name: string, args: readonly string[], secret: string): Promise<CommandOutput> {
    return await this.#run(name, args, { secret }, 'pipe');
  }

  async #run(
    name: string,
    args: readonly string[],
    input: 'inherit' | 'ignore' | { readonly secret: string },
    output: 'inherit' | 'pipe',
  ): Promise<CommandOutput> {
    this.#assertNotInterrupted();
    const result = await new Promise<CommandOutput>((resolve, reject) => {
      const child = spawn(name, args, {
        cwd: this.#root,
        env: this.#env,
        stdio: [typeof input === 'string' ? input : 'pipe', output, output],
        detached: true,
      });
      const stopForwarding = this.#shutdown?.onPress(() => interruptGroup(child.pid));
      let stdout = '';
      let stderr = '';
      if (typeof input !== 'string') {
        // A program that ends before it reads its input reports the reason with its exit code.
        child.stdin?.on('error', () => undefined);
        child.stdin?.end(input.secret);
      }
      child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
        stdout += chunk;
      });
      child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
        stderr += chunk;
      });
      child.once('error', (error) => {
        stopForwarding?.();
        reject(new Error(`${name} does not start: ${error.message}`));
      });
      child.once('close', (code) => {
        stopForwarding?.();
        resolve({ code: code ?? 1, stdout, stderr });
      });
    });
    this.#assertNotInterrupted();
    return result;
  }

  #assertNotInterrupted(): void {
    if (this.#shutdown?.signal.aborted) throw new Interrupted();
  }
}

/** As a terminal does: the signal goes to the whole process group. */
function interruptGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGINT');
  } catch {
    // It has just ended.
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
