/** What every command does around its work: the right Node, and faults as sentences with a cure, not as stacks. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadLocalEnv } from '../local/local-env.ts';
import { AppError } from '../shared/errors.ts';

const NODE_MAJOR = 24;

/** @param options.localStack false: the local stack's configuration is not taken when nothing is configured */
export async function runCommand(
  work: () => Promise<void>,
  options: { readonly localStack?: boolean } = {},
): Promise<void> {
  if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR) {
    fail(
      `This needs Node ${NODE_MAJOR}, and ${process.version} runs it. Start it by \`npm run\`, which finds the right one after \`npm ci\`.`,
    );
    return;
  }
  try {
    // What stands in the environment already wins over the file.
    const envFile = join(import.meta.dirname, '../.env');
    if (existsSync(envFile)) process.loadEnvFile(envFile);
    if (options.localStack !== false) loadLocalEnv();
    await work();
  } catch (error) {
    if (error instanceof AppError) fail(`${error.title}: ${error.message}\n${error.cure}`);
    else fail(error instanceof Error ? error.message : String(error));
    if (process.env['DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  }
}

function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}
