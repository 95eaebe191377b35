/**
 * `npm start [-- --mailbox DIR]`: runs the whole system on this machine. Ctrl-C stops it in order; after a `kill -9` the
 * next start recovers.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dataFolderOf } from '../local/local-env.ts';
import { type Stack, startStack } from '../local/stack.ts';
import { type LocalStatus, welcome } from '../local/welcome.ts';
import { createLog } from '../shared/log.ts';
import { callerPath } from './support/caller-path.ts';
import { runCommand } from './support/command.ts';
import { readFlags } from './support/flags.ts';
import { shutdownSignal } from './support/shutdown-signal.ts';
import { say } from './support/terminal.ts';

const USAGE = `Usage: npm start [-- --mailbox DIR]
Runs the whole system on this machine until Ctrl-C. PORT is the port of the functions (8080), LOCAL_DATA_DIR the data
folder (.local). If the three GMAIL_ variables are set, it reads the real Gmail.
  --mailbox DIR  fill the emulated mailbox with the .eml files of this folder`;

const logFormat = process.stdout.isTTY ? 'text' : 'json';

await runCommand(
  USAGE,
  async () => {
    const { mailbox } = readFlags({ mailbox: { type: 'string' } });
    const dataFolder = dataFolderOf(process.env);
    // PostgreSQL of root runs as another user, who must be able to pass through to its data.
    mkdirSync(dataFolder, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
    // Everything below holds emails, credentials or their copies.
    process.umask(0o077);
    // Before anything is started, so that no Ctrl-C leaves PostgreSQL running.
    const { signal } = shutdownSignal();
    const options = {
      env: process.env,
      mailboxFolder: mailbox === undefined ? null : callerPath(mailbox),
      dataFolder,
      logFormat,
      signal,
    } as const;
    const stack = await startStack(options).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return null;
    });
    if (stack === null) {
      say('Stopped before the start was complete.');
      process.exitCode = 130;
      return;
    }
    try {
      writeFileSync(join(dataFolder, 'database-url'), `${stack.databaseUrl}\n`, { mode: 0o600 });
      await open(stack);
      await aborted(signal);
    } finally {
      say('\nStopping.');
      await stack.stop();
    }
  },
  { localStack: false },
);
// The functions may leave timers behind that would keep the process alive.
process.exit();

/** Turns a new monitor on, prints where everything is, and lets the synthetic orders arrive. */
async function open(stack: Stack): Promise<void> {
  const api = `http://127.0.0.1:${stack.ports.console}/api/system/email-monitor`;
  const read = async () => (await (await fetch(`${api}/status`)).json()) as LocalStatus;
  let status = await read();
  // Only a new database is turned on; an existing one stays as the operator left it.
  if (status.state === 'stopped' && status.last_poll_at === null && status.mailboxes.length === 0) {
    await fetch(`${api}/start`, { method: 'POST' });
    status = await read();
  }
  say(welcome(stack, status));
  if (status.is_running) stack.scheduler.runNow();

  const log = createLog({ level: 'info', format: logFormat, sink: say });
  stack.mailbox?.beginArrivals((title) =>
    log.info('local', `An email arrives in the emulated mailbox: ${title}`),
  );
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}
