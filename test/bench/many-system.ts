/** A deployment with many mailboxes for one measurement: database, emulated Gmail, work topic, and the built functions. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Target } from '../../functions/runtime/targets.ts';
import { secretNameOf } from '../../shared/mailbox-access.ts';
import { type FunctionProcess, startFunction } from '../helpers/child-processes.ts';
import {
  addressOf,
  type ManyGmail,
  type ManyGmailOptions,
  secretOf,
  startManyGmail,
} from '../helpers/many-gmail.ts';
import { postTo, WorkTopic } from '../helpers/work-topic.ts';
import { type BenchDatabase, startBenchDatabase } from './bench-database.ts';
import { cpuMsOf, postgresCpuMs } from './process-cpu.ts';

/** As Terraform deploys ingest-mailbox. */
export const INSTANCES = 4;
export const RUNS_PER_INSTANCE = 4;
const POOL = '8';
const SETTINGS = [
  'shared_preload_libraries=pg_stat_statements',
  'pg_stat_statements.max=10000',
  'max_connections=100',
];

/** What was used between two moments. */
export interface Use {
  readonly wallMs: number;
  /** CPU of ingestMailbox, of poll and gmailPush, and of PostgreSQL, in ms. */
  readonly ingestCpuMs: number;
  readonly otherCpuMs: number;
  readonly postgresCpuMs: number;
  /** Statements that functions sent, and their execution time. */
  readonly statements: number;
  readonly databaseMs: number;
  readonly units: number;
  /** Gmail calls by method. */
  readonly calls: Readonly<Record<string, number>>;
}

export interface ManySystem {
  readonly db: BenchDatabase;
  readonly gmail: ManyGmail;
  readonly work: WorkTopic;
  readonly poll: FunctionProcess;
  readonly push: FunctionProcess;
  /** Runs a statement with parameters. */
  execute(sql: string, parameters: readonly unknown[]): Promise<void>;
  /** Adds the accounts with these numbers as mailboxes. */
  add(numbers: readonly number[]): Promise<void>;
  /** Calls poll and waits until all runs that it dispatched have ended. `none`: drops those that have not begun. */
  tick(runs?: 'none'): Promise<{ readonly pollMs: number; readonly dispatched: number }>;
  drain(): Promise<void>;
  measure<T>(work: () => Promise<T>): Promise<{ readonly use: Use; readonly result: T }>;
}

export async function inManySystem<T>(
  dist: string,
  options: ManyGmailOptions,
  settings: Record<string, string>,
  measure: (system: ManySystem) => Promise<T>,
): Promise<T> {
  const closing: (() => Promise<unknown>)[] = [];
  try {
    const db = await startBenchDatabase(SETTINGS);
    closing.push(db.close);
    await db.rows('create extension pg_stat_statements');
    await db.rows('update email_monitor_status set is_running = true');
    const gmail = await startManyGmail(options);
    closing.push(gmail.kill);
    const secrets = mkdtempSync(join(tmpdir(), 'email-monitor-secrets-'));
    chmodSync(secrets, 0o700);
    closing.push(async () => rmSync(secrets, { recursive: true, force: true }));
    const runs = new Map<FunctionProcess, number>();
    const work = await WorkTopic.open({
      receive: async (body, timeoutMs) => {
        const [idlest] = [...runs].toSorted(([, a], [, b]) => a - b);
        if (idlest === undefined) return null;
        const [instance] = idlest;
        runs.set(instance, (runs.get(instance) ?? 0) + 1);
        try {
          return await postTo(instance.url, body, timeoutMs);
        } finally {
          runs.set(instance, (runs.get(instance) ?? 0) - 1);
        }
      },
      inFlight: INSTANCES * RUNS_PER_INSTANCE,
      ackDeadlineMs: 120_000,
    });
    closing.push(work.close.bind(work));
    const env = {
      ...gmail.env,
      ...work.env,
      DATABASE_URL: db.url,
      GMAIL_MAILBOX_SECRETS: secrets,
      GMAIL_PUBSUB_TOPIC: 'projects/emulated-project/topics/gmail',
      LOG_LEVEL: 'warning',
      ...settings,
    };
    const start = async (target: Target, more: Record<string, string> = {}) => {
      const started = await startFunction(target, { ...env, ...more }, dist);
      closing.push(async () => await started.kill());
      return started;
    };
    const [poll, push] = [await start('poll'), await start('gmailPush')];
    for (let n = 0; n < INSTANCES; n += 1) runs.set(await start('ingestMailbox', { DB_POOL_SIZE: POOL }), 0);
    const execute: ManySystem['execute'] = async (sql, parameters) =>
      await executeOnce(db.url, sql, parameters);
    const drain = async () => {
      while (work.openCount > 0) await delay(5);
    };
    return await measure({
      db,
      gmail,
      work,
      poll,
      push,
      execute,
      add: async (numbers) => await addMailboxes(execute, secrets, numbers),
      drain,
      tick: async (runs) => {
        const startedMs = performance.now();
        const { json, status } = await poll.post();
        const pollMs = performance.now() - startedMs;
        if (status !== 200) throw new Error(`poll: ${status} ${JSON.stringify(json)}`);
        if (runs === 'none') work.discard();
        await drain();
        return { pollMs, dispatched: json.dispatched ?? 0 };
      },
      measure: async (measured) => {
        await db.rows('select pg_stat_statements_reset()');
        const read = async () => ({
          ingest: [...runs.keys()].reduce((sum, { pid }) => sum + cpuMsOf(pid), 0),
          other: cpuMsOf(poll.pid) + cpuMsOf(push.pid),
          postgres: await postgresCpuMs(db),
          gmail: await gmail.totals(),
        });
        const before = await read();
        const startedMs = performance.now();
        const result = await measured();
        const wallMs = performance.now() - startedMs;
        const after = await read();
        // Triggers and the functions that statements call are part of the statements.
        const [row] = await db.rows(
          `select coalesce(sum(calls), 0)::float8 as calls, coalesce(sum(total_exec_time), 0)::float8 as ms
           from pg_stat_statements
           where toplevel and query not like '%pg_stat%' and query not like '%/* bench */%'`,
        );
        const use = {
          wallMs,
          ingestCpuMs: after.ingest - before.ingest,
          otherCpuMs: after.other - before.other,
          postgresCpuMs: after.postgres - before.postgres,
          statements: row.calls,
          databaseMs: row.ms,
          units: after.gmail.units - before.gmail.units,
          calls: difference(after.gmail.calls, before.gmail.calls),
        };
        return { use, result };
      },
    });
  } finally {
    for (const close of closing.toReversed()) await close();
  }
}

function difference(after: Readonly<Record<string, number>>, before: Readonly<Record<string, number>>) {
  const all = Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)] as const);
  return Object.fromEntries(all.filter(([, count]) => count > 0));
}

/** As `npm run mailbox -- add` does, in two statements for thousands. */
async function addMailboxes(
  execute: ManySystem['execute'],
  secrets: string,
  numbers: readonly number[],
): Promise<void> {
  const addresses = numbers.map(addressOf);
  for (const [at, number] of numbers.entries())
    writeFileSync(join(secrets, `${secretNameOf(addresses[at] ?? '')}.json`), secretOf(number));
  await execute(
    `insert into mailbox_settings (email_address, access, secret_name)
     select address, 'refresh_token', secret from unnest($1::text[], $2::text[]) as added (address, secret)`,
    [addresses, addresses.map(secretNameOf)],
  );
  await execute('insert into mailbox_confirmations (email_address) select unnest($1::text[])', [addresses]);
}

async function executeOnce(url: string, sql: string, parameters: readonly unknown[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql, [...parameters]);
  } finally {
    await client.end();
  }
}

/** Consecutive numbers of mailboxes. */
export function numbersFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, n) => first + n);
}
