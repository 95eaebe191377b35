/**
 * The programs that a deployment runs: npm, terraform, gcloud, as they stand on PATH. Each in a process group of its
 * own, so that a Ctrl-C reaches it once, through us. What must stay true: no secret stands in an argument, where every
 * user of the machine could read it.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Environment } from '../../shared/config.ts';
import type { Interruption } from './interruption.ts';

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Programs {
  readonly #root: string;
  readonly #env: Environment;
  readonly #interruption: Interruption;

  /** @param root the folder that they run in */
  constructor(root: string, env: Environment, interruption: Interruption) {
    this.#root = root;
    this.#env = env;
    this.#interruption = interruption;
  }

  isThere(name: string): boolean {
    const folders = (this.#env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
    return folders.some((folder) => isProgram(join(folder, name)));
  }

  /** Lets it have the terminal, unchanged, to its end. @returns the exit code. @throws {Interrupted} */
  async show(name: string, args: readonly string[]): Promise<number> {
    return (await this.#run(name, args, 'inherit', 'inherit')).code;
  }

  /** Runs it unseen, and without questions. @throws {Interrupted} */
  async read(name: string, args: readonly string[]): Promise<Said> {
    return await this.#run(name, args, 'ignore', 'pipe');
  }

  /** As `read`, with a secret for its standard input: it stands in no argument and no file. @throws {Interrupted} */
  async feed(name: string, args: readonly string[], secret: string): Promise<Said> {
    return await this.#run(name, args, { secret }, 'pipe');
  }

  async #run(
    name: string,
    args: readonly string[],
    input: 'inherit' | 'ignore' | { readonly secret: string },
    output: 'inherit' | 'pipe',
  ): Promise<Said> {
    this.#interruption.check();
    const said = await new Promise<Said>((resolve, reject) => {
      const child = spawn(name, args, {
        cwd: this.#root,
        env: this.#env,
        stdio: [typeof input === 'string' ? input : 'pipe', output, output],
        detached: true,
      });
      // As a terminal would: to the whole group.
      const quiet = this.#interruption.onPress(() => interruptGroup(child.pid));
      let stdout = '';
      let stderr = '';
      if (typeof input !== 'string') {
        // One that ends without reading says by its code what was wrong.
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
        quiet();
        reject(new Error(`${name} does not start: ${error.message}`));
      });
      child.once('close', (code) => {
        quiet();
        resolve({ code: code ?? 1, stdout, stderr });
      });
    });
    this.#interruption.check();
    return said;
  }
}

function interruptGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGINT');
  } catch {
    // It has just ended by itself.
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
