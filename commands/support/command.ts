/**
 * What every command does around its work: the right Node, `--help`, and faults as sentences with a remediation, not as
 * stacks. What must stay true: `--help` does nothing but tell.
 */
import { join } from 'node:path';
import { loadLocalEnv } from '../../local/local-env.ts';
import { AppError } from '../../shared/errors.ts';
import { DeployError } from '../deploy/deploy-error.ts';
import { loadEnvFile } from './load-env-file.ts';

const NODE_MAJOR = 24;

export interface CommandOptions {
  /** False: the local stack's configuration is not taken when nothing is configured. */
  readonly localStack?: boolean;
  /** Exit code when it cannot do its work; 1 unless given. */
  readonly failureCode?: number;
}

/** @param usage `Usage: npm run NAME ...`, what it does, its options; all that `--help` prints */
export async function runCommand(
  usage: string,
  work: () => Promise<void>,
  { localStack = true, failureCode = 1 }: CommandOptions = {},
): Promise<void> {
  const fail = (message: string) => {
    process.stderr.write(`${message}\n`);
    process.exitCode = failureCode;
  };
  if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR) {
    return fail(
      `This needs Node ${NODE_MAJOR}, and ${process.version} runs it. Start it by \`npm run\`, which finds the right one after \`npm ci\`.`,
    );
  }
  if (process.argv.slice(2).some((one) => one === '--help' || one === '-h')) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  try {
    const root = join(import.meta.dirname, '../..');
    const warnings = loadEnvFile(join(root, '.env'), join(root, '.env.example'));
    for (const warning of warnings) process.stderr.write(`${warning}\n`);
    if (localStack) loadLocalEnv();
    await work();
  } catch (error) {
    if (error instanceof AppError) fail(`${error.title}: ${error.message}\n${error.remediation}`);
    else if (error instanceof DeployError) fail(`${error.message}\n${error.remediation}`);
    else fail(error instanceof Error ? error.message : String(error));
    if (process.env['DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  }
}
