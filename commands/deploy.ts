/**
 * `npm run deploy [-- --plan | --yes]`: builds, applies `terraform/`, and checks the deployment.
 * May run any number of times.
 */
import { CommandRunner } from './deploy/command-runner.ts';
import { readDeployOptions, USAGE } from './deploy/deploy-options.ts';
import { deploy } from './deploy/deployment.ts';
import { runCommand } from './support/command.ts';
import { Interrupted, shutdownSignal } from './support/shutdown-signal.ts';
import { say } from './support/terminal.ts';

await runCommand(
  USAGE,
  async () => {
    const { env } = process;
    // `npm run` starts the command in the project's folder.
    const root = process.cwd();
    const hasTerminal = process.stdin.isTTY === true;
    const options = readDeployOptions(process.argv.slice(2), { root, env, hasTerminal });
    const shutdown = shutdownSignal();
    try {
      await deploy(options, {
        runner: new CommandRunner(root, env, shutdown),
        signal: shutdown.signal,
        env,
        say,
      });
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      say(error.message);
      process.exitCode = 130;
    }
  },
  { localStack: false },
);
