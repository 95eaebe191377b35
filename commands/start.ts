/**
 * `npm start [-- --mailbox DIR]`: the whole system on this machine. Ctrl-C ends it in order; after a `kill -9`
 * the next start recovers by itself.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { dataFolderOf } from '../local/local-env.ts';
import { startStack } from '../local/stack.ts';
import { type LocalStatus, welcome } from '../local/welcome.ts';
import { createLog } from '../shared/log.ts';
import { runCommand } from './support/command.ts';

const USAGE = `Usage: npm start [-- --mailbox DIR]
The whole system on this machine, until Ctrl-C. PORT is where the functions listen (8080), LOCAL_DATA_DIR where the data
stays (.local). With the three GMAIL_ variables set it reads the real Gmail.
  --mailbox DIR  fill the emulated mailbox with the .eml files of this folder`;

await runCommand(
  USAGE,
  async () => {
    const { mailbox } = argumentsOf(process.argv.slice(2));
    const dataFolder = dataFolderOf(process.env);
    const logFormat = process.stdout.isTTY ? 'text' : 'json';
    const stack = await startStack({
      env: process.env,
      mailboxFolder: mailbox ?? null,
      dataFolder,
      logFormat,
    });
    writeFileSync(join(dataFolder, 'database-url'), `${stack.databaseUrl}\n`, { mode: 0o600 });
    endOnSignal(stack.stop);

    const api = `http://127.0.0.1:${stack.ports.console}/api/system/email-monitor`;
    const read = async () => (await (await fetch(`${api}/status`)).json()) as LocalStatus;
    let status = await read();
    // A new database begins by itself; later it stays as it was left.
    if (status.state === 'stopped' && status.last_poll_at === null && status.mailboxes.length === 0) {
      await fetch(`${api}/start`, { method: 'POST' });
      status = await read();
    }
    process.stdout.write(`${welcome(stack, status)}\n`);
    if (status.is_running) stack.scheduler.runNow();

    const log = createLog({
      level: 'info',
      format: logFormat,
      sink: (line) => process.stdout.write(`${line}\n`),
    });
    stack.mailbox?.beginArrivals((title) =>
      log.info('local', `A mail arrives in the emulated mailbox: ${title}`),
    );
  },
  { localStack: false },
);

function argumentsOf(argv: string[]): { mailbox?: string | undefined } {
  try {
    return parseArgs({ args: argv, options: { mailbox: { type: 'string' } } }).values;
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
  }
}

/** The first Ctrl-C ends in order, the second at once. */
function endOnSignal(stop: () => Promise<void>): void {
  let isEnding = false;
  const end = () => {
    if (isEnding) process.exit(130);
    isEnding = true;
    process.stdout.write('\nStopping.\n');
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
        process.exit(1);
      },
    );
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
}
