/**
 * The whole system on this machine: PostgreSQL, Cloud Scheduler, Gmail (emulated, or the real one with credentials) and
 * the functions, all on loopback. Called by `npm start`.
 * Invariant: it runs the same functions as the cloud, in the same framework; only the environment differs.
 */
import { join } from 'node:path';
import { type Environment, readDatabaseUrl } from '../shared/config.ts';
import { credentialFingerprint, readCredentials } from '../shared/credentials.ts';
import { openDatabase } from '../shared/db/database.ts';
import { migrate } from '../shared/db/schema/migrations.ts';
import { confirmNewMailbox } from '../shared/mailboxes/mailbox-confirmations.ts';
import { type LocalFunctions, serveFunctions } from './functions.ts';
import { hasGmailCredentials, writeLocalEnv } from './local-env.ts';
import { type LocalMailbox, startMailbox } from './mailbox.ts';
import { choosePorts, type LocalPorts } from './ports.ts';
import { startPostgres, stopOrphan } from './postgres/server.ts';
import { type LocalScheduler, startScheduler } from './scheduler.ts';
import { lockFolder } from './stack-lock.ts';

export interface StackOptions {
  readonly env: Environment;
  /** Fills the emulated mailbox with the .eml files of this folder; null: synthetic purchase orders. */
  readonly mailboxFolder: string | null;
  readonly dataFolder: string;
  readonly logFormat: 'text' | 'json';
  /** Stops a start that is not complete. */
  readonly signal?: AbortSignal;
}

export interface Stack {
  readonly ports: LocalPorts;
  readonly databaseUrl: string;
  /** Null: DATABASE_URL names the operator's own server. */
  readonly postgresFolder: string | null;
  /** Null: the real Gmail. */
  readonly mailbox: LocalMailbox | null;
  readonly scheduler: LocalScheduler;
  readonly functions: LocalFunctions;
  stop(): Promise<void>;
}

/** @throws {Error} with a message for the operator, after everything that was started has been stopped */
export async function startStack(options: StackOptions): Promise<Stack> {
  const closers: (() => void | Promise<void>)[] = [];
  const stop = async () => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    closers.push(lockFolder(options.dataFolder));
    const givenUrl = readDatabaseUrl(options.env);
    const postgresFolder = join(options.dataFolder, 'postgres');
    // Stop it first, to free its port for the next start.
    if (givenUrl === null) await stopOrphan(postgresFolder);
    const ports = await choosePorts(options.env['PORT']);

    const postgres =
      givenUrl === null
        ? await startPostgres({
            folder: postgresFolder,
            port: ports.postgres,
            database: 'email_monitor',
          })
        : null;
    if (postgres !== null) closers.push(postgres.stop);
    options.signal?.throwIfAborted();
    const databaseUrl = postgres?.url ?? givenUrl ?? '';
    await migrate({ kind: 'url', url: databaseUrl });
    options.signal?.throwIfAborted();

    const mailbox = hasGmailCredentials(options.env)
      ? null
      : await startMailbox({
          folder: options.mailboxFolder,
          dataFolder: join(options.dataFolder, 'gmail'),
          port: ports.gmail,
          pushUrl: `http://127.0.0.1:${ports.gmailPush}/`,
        });
    if (mailbox !== null) {
      closers.push(mailbox.stop);
      await confirmMailbox(databaseUrl, mailbox);
    }

    const scheduler = await startScheduler({
      dataFile: join(options.dataFolder, 'scheduler.json'),
      port: ports.scheduler,
      pollUrl: `http://127.0.0.1:${ports.poll}/`,
    });
    closers.push(scheduler.stop);
    options.signal?.throwIfAborted();

    const settings: Environment = {
      ...mailbox?.env,
      ...scheduler.env,
      DATABASE_URL: databaseUrl,
      LOG_FORMAT: options.logFormat,
    };
    writeLocalEnv(options.dataFolder, settings);
    const functions = await serveFunctions({ ...options.env, ...settings }, ports);
    closers.push(functions.stop);
    return {
      ports,
      databaseUrl,
      postgresFolder: postgres?.folder ?? null,
      mailbox,
      scheduler,
      functions,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Confirms the mailbox, because the database does not know the account of a new folder. The system asks an operator for
 * this confirmation; here, the operator has just chosen the mailbox.
 */
async function confirmMailbox(databaseUrl: string, { env, emailAddress }: LocalMailbox): Promise<void> {
  const { gmail } = readCredentials(env);
  if (gmail === null) return;
  const db = openDatabase({ target: { kind: 'url', url: databaseUrl }, poolSize: 1 });
  try {
    await confirmNewMailbox(db, emailAddress, credentialFingerprint(gmail));
  } finally {
    await db.close();
  }
}
