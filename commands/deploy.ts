/**
 * `npm run deploy [-- --plan | --yes]`: builds, applies `terraform/`, migrates the database, and looks at what is
 * deployed. May run any number of times.
 */
import { readDeployOptions, USAGE } from './deploy/deploy-options.ts';
import { deploy } from './deploy/deployment.ts';
import { Interrupted, listenForInterruption } from './deploy/interruption.ts';
import { Programs } from './deploy/programs.ts';
import { runCommand } from './support/command.ts';
import { say } from './support/terminal.ts';

await runCommand(
  USAGE,
  async () => {
    const { env } = process;
    // `npm run` starts it in the folder of the project.
    const root = process.cwd();
    const hasTerminal = process.stdin.isTTY === true;
    const options = readDeployOptions(process.argv.slice(2), { root, env, hasTerminal });
    const interruption = listenForInterruption();
    try {
      await deploy(options, {
        programs: new Programs(root, env, interruption),
        signal: interruption.signal,
        env,
        say,
      });
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      say(error.message);
      process.exitCode = 130;
    }
  },
  // What is deployed has nothing of the local stack.
  { localStack: false },
);
