/**
 * The whole system on this machine: PostgreSQL, Cloud Scheduler, Gmail (emulated, or the real one with
 * credentials) and the functions, all on loopback. Called by `npm start`. What must stay true: it runs the same
 * functions as the cloud, through the same framework, told apart by the environment alone.
 */
import { join } from 'node:path';
import type { Environment } from '../shared/config.ts';
import { credentialFingerprint, readCredentials } from '../shared/credentials.ts';
import { openDatabase } from '../shared/db/database.ts';
import { confirmNewMailbox } from '../shared/db/mailbox-confirmations.ts';
import { migrate } from '../shared/db/schema/migrations.ts';
import { type LocalFunctions, serveFunctions } from './functions.ts';
import { namesGmail, writeLocalEnv } from './local-env.ts';
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
}

export interface Stack {
  readonly ports: LocalPorts;
  readonly databaseUrl: string;
  /** Null: DATABASE_URL named a server of the operator's own. */
  readonly postgresFolder: string | null;
  /** Null: the real Gmail. */
  readonly mailbox: LocalMailbox | null;
  readonly scheduler: LocalScheduler;
  readonly functions: LocalFunctions;
  stop(): Promise<void>;
}

/** @throws {Error} with a sentence for the operator; what was started before is stopped again */
export async function startStack(options: StackOptions): Promise<Stack> {
  const closers: (() => void | Promise<void>)[] = [];
  const stop = async () => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    closers.push(lockFolder(join(options.dataFolder, 'stack.pid')));
    const givenUrl = options.env['DATABASE_URL']?.trim() || null;
    const postgresFolder = join(options.dataFolder, 'postgres');
    // First, so that its port is free to be chosen again.
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
    const databaseUrl = postgres?.url ?? givenUrl ?? '';
    await migrate({ kind: 'url', url: databaseUrl });

    const isReal = namesGmail(options.env);
    const mailbox = isReal
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
 * Beside the mailbox of an earlier start, that of another folder is an account that the database does not know. Here it is
 * made by the same command, so no consent is asked for.
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
