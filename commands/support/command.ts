/**
 * The frame of every command. It checks the Node version, answers `--help`, and loads the configuration. It prints errors
 * as a sentence with a remediation instead of a stack.
 * Invariant: `--help` prints the usage and does nothing else.
 */
import { constants } from 'node:os';
import { join } from 'node:path';
import { type LocalStackState, loadLocalEnv } from '../../local/local-env.ts';
import { AppError } from '../../shared/errors.ts';
import { DeployError } from '../deploy/deploy-error.ts';
import { remediationForCommand } from './command-remediation.ts';
import { UsageError } from './flags.ts';
import { loadEnvFile } from './load-env-file.ts';

const NODE_MAJOR = 24;

export interface CommandOptions {
  /** False: the command never uses the configuration of the local stack. */
  readonly localStack?: boolean;
  /** Exit code when the command cannot do its work; 1 unless given. */
  readonly failureCode?: number;
}

export interface CommandContext {
  /** `none` unless the configuration is that of the local stack. */
  readonly localStack: LocalStackState;
}

/** @param usage `Usage: npm run NAME ...`, what the command does, its options: the text that `--help` prints */
export async function runCommand(
  usage: string,
  work: (context: CommandContext) => Promise<void>,
  { localStack = true, failureCode = 1 }: CommandOptions = {},
): Promise<void> {
  endAtClosedPipe();
  const fail = (message: string) => {
    process.stderr.write(`${message}\n`);
    process.exitCode = failureCode;
  };
  if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR) {
    return fail(
      `This command needs Node ${NODE_MAJOR}, but runs on ${process.version}. Start it with \`npm run\`, which uses the Node that \`npm ci\` installs.`,
    );
  }
  if (process.argv.slice(2).some((one) => one === '--help' || one === '-h')) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  let stackState: LocalStackState = 'none';
  try {
    const root = join(import.meta.dirname, '../..');
    const warnings = loadEnvFile(join(root, '.env'), join(root, '.env.example'));
    for (const warning of warnings) process.stderr.write(`${warning}\n`);
    if (localStack) stackState = loadLocalEnv();
    await work({ localStack: stackState });
  } catch (error) {
    fail(errorText(error, usage, stackState));
    if (process.env['DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  }
}

/** `npm run doctor | head -1` closes the pipe early. The exit code is that of a program that SIGPIPE ends. */
function endAtClosedPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit(128 + constants.signals.SIGPIPE);
    });
  }
}

function errorText(error: unknown, usage: string, localStack: LocalStackState): string {
  if (error instanceof UsageError) return `${error.message}\n${usagePointer(usage)}`;
  // Its detail says what to correct.
  if (error instanceof AppError && error.code === 'bad_request') return error.message;
  if (error instanceof AppError)
    return `${error.title}: ${error.message}\n${remediationForCommand(error, localStack)}`;
  if (error instanceof DeployError) return `${error.message}\n${error.remediation}`;
  return error instanceof Error ? error.message : String(error);
}

/** The usage itself would move the error out of the terminal. */
function usagePointer(usage: string): string {
  const [, called = ''] = /^Usage: (npm (?:run )?[\w-]+)/.exec(usage) ?? [];
  return `Run \`${called} -- --help\` for the usage.`;
}
