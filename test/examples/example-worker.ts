/** Runs the example workers as a developer does: as separate processes, against a test database. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import pg from 'pg';
import { expect } from 'vitest';
import type { TestDatabase } from '../helpers/test-database.ts';

export const EXAMPLES = join(import.meta.dirname, '../../examples');

export type Language = 'TypeScript' | 'Python';

/** A Python that has psycopg; null when there is none. Another Python on PATH can hide the one of the system. */
export const PYTHON: string | null =
  ['python3', '/usr/bin/python3'].find(
    (program) => spawnSync(program, ['-c', 'import psycopg'], { stdio: 'ignore' }).status === 0,
  ) ?? null;

export interface ExampleWorker {
  /** The output so far, stdout and stderr combined. */
  readonly output: string;
  /** Ends the process. @returns its exit code, or the signal that ended it */
  end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals>;
  /** Its exit code, once it has ended; null when a signal ended it. */
  ended(): Promise<number | null>;
  /** After `end`: the last claim of a killed worker may still run, and would take an email of the next test. */
  disconnected(): Promise<void>;
  /** Its backend in PostgreSQL, once it has found no email and waits. */
  waiting(): Promise<number>;
  /** Its backend in PostgreSQL, once it waits at the gate of `claim_emails`. */
  claiming(): Promise<number>;
  /** Its backend in PostgreSQL, once it waits at the gate of `emails_for_processing`. */
  reading(): Promise<number>;
  /** As `reading`, at the gate of `attachment_data`. */
  downloading(): Promise<number>;
  /** The email that it works on, once there is one. */
  working(): Promise<number>;
  /** The ids of emails with this outcome in its output. */
  idsOf(outcome: string): number[];
}

/**
 * @param db the database, for questions about the worker; the worker itself connects to `env.DATABASE_URL`
 * @param path of another program than the example of the language
 */
export function startWorker(
  language: Language,
  db: TestDatabase,
  env: Readonly<Record<string, string>> = {},
  path?: string,
): ExampleWorker {
  const [program, file] =
    language === 'Python' ? [PYTHON ?? 'python3', 'worker.py'] : [process.execPath, 'worker.ts'];
  const child = spawn(program, [path ?? join(EXAMPLES, file)], {
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      DATABASE_URL: db.url,
      // So that no test depends on it.
      POLL_SECONDS: '3600',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close').then(([code]) => code as number | null);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  }
  const ownName = `%:${child.pid}:%`;
  const backend = async (condition: string, of: Gated = 'claim_emails'): Promise<number> =>
    await poll(
      `select pid as id
       from pg_stat_activity
       where datname = current_database()
         and application_name like $1::text
         and query like '%${of}%'
         and ${condition}`,
    );
  const poll = async (sql: string): Promise<number> => {
    const ask = async () => (await db.query<{ id: number }>(sql, [ownName])).rows[0]?.id ?? null;
    await expect.poll(ask, { timeout: 20_000, message: `${language}: ${sql}\n${output}` }).not.toBeNull();
    return (await ask()) ?? 0;
  };
  return {
    get output() {
      return output;
    },
    end: async (signal) => await end(child, signal),
    disconnected: async () => {
      const sql = 'select from pg_stat_activity where application_name like $1::text';
      const isConnected = async () => (await db.query(sql, [ownName])).rowCount;
      await expect.poll(isConnected, { timeout: 20_000 }).toBe(0);
    },
    ended: async () => await closed,
    waiting: async () => await backend("state = 'idle'"),
    claiming: async () => await backend("wait_event = 'advisory'"),
    reading: async () => await backend("wait_event = 'advisory'", 'emails_for_processing'),
    downloading: async () => await backend("wait_event = 'advisory'", 'attachment_data'),
    working: async () =>
      await poll("select email_id as id from email_queue where state = 'claimed' and worker like $1::text"),
    idsOf: (outcome) =>
      [...output.matchAll(/^Email (\d+): (.+)$/gm)]
        .filter(([, , what]) => what === outcome)
        .map(([, id]) => Number(id)),
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
  if (child.exitCode === null && child.signalCode === null) {
    const closed = once(child, 'close');
    child.kill(signal);
    await closed;
  }
  return child.exitCode ?? child.signalCode ?? signal;
}

export interface Gate {
  open(): Promise<void>;
}

/** A function or view that waits while its gate is closed. */
export type Gated = 'attachment_data' | 'claim_emails' | 'emails_for_processing';

/**
 * Lets `closeGate` stop workers in three places: before a file is read, in the middle of the work; at the end of a claim, after
 * which the claim sees no other email; and while the claimed email is read. The sequence `claim_count` counts claims.
 */
export async function addGates(db: TestDatabase): Promise<void> {
  await db.query(
    `create schema ungated;
     alter function attachment_data(integer) set schema ungated;
     alter function claim_emails(text, text, integer, interval) set schema ungated;
     alter view emails_for_processing set schema ungated;
     -- A claim reads the view too, and does not wait at its gate.
     alter function ungated.claim_emails(text, text, integer, interval) set search_path = ungated, public, pg_temp;
     create function is_open(gate text) returns boolean
     language plpgsql
     as $$
     begin
       perform pg_advisory_xact_lock_shared(hashtext(gate));
       return true;
     end
     $$;
     create view emails_for_processing as
     select v.*
     from ungated.emails_for_processing v
     where is_open('emails_for_processing');
     create sequence claim_count;
     create function attachment_data(attachment_id integer) returns bytea
     language plpgsql
     as $$
     begin
       perform is_open('attachment_data');
       return ungated.attachment_data(attachment_id);
     end
     $$;
     create function claim_emails(consumer text, worker text, max_count integer, lease interval)
     returns setof ungated.emails_for_processing
     language plpgsql
     as $$
     begin
       perform nextval('claim_count');
       return query select * from ungated.claim_emails(consumer, worker, max_count, lease);
       perform is_open('claim_emails');
     end
     $$`,
  );
}

/** From now on the function waits until the gate is opened. */
export async function closeGate(db: TestDatabase, of: Gated): Promise<Gate> {
  const client = new pg.Client({ connectionString: db.url });
  await client.connect();
  await client.query('select pg_advisory_lock(hashtext($1::text))', [of]);
  return { open: async () => await client.end() };
}
