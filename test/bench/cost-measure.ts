/**
 * `npm run bench -- cost-inputs`: what one idle poll and one email take of time, CPU, log, disk and write-ahead log,
 * on the built functions. Its figures stand in cost-inputs.ts, which the monthly cost is reckoned from.
 */
import { readFileSync } from 'node:fs';
import {
  buildFunctions,
  type FunctionProcess,
  startFunction,
  startGmailProcess,
} from '../helpers/child-processes.ts';
import { type BenchDatabase, median, startBenchDatabase } from './bench-database.ts';
import { mailWithAttachment } from './bench-mail.ts';

const IDLE_POLLS = 60;
const EMAILS = 300;
const WARM_UP = 5;
/** Of the assumed email, whole, as it comes over the wire. */
const MAIL_BYTES = 60_000;
/** Polls between two checkpoints, as in the five minutes that PostgreSQL leaves between them. */
const POLLS_A_CHECKPOINT = 5;
/** Of Linux, by which /proc counts CPU time. */
const TICK_MS = 10;

interface Taken {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly logBytes: number;
  readonly walBytes: number;
}

export async function costInputs(): Promise<void> {
  const dist = buildFunctions();
  const db = await startBenchDatabase();
  const gmail = await startGmailProcess({ quotaUnitsPerMinute: null, latencyMs: 50 });
  const env = { ...gmail.env, DATABASE_URL: db.url, GMAIL_QUOTA_UNITS_PER_MINUTE: '1200000' };
  await db.rows('update email_monitor_status set is_running = true');

  const startedMs = performance.now();
  const poll = await startFunction('poll', env, dist);
  write(`start of an instance: ${Math.round(performance.now() - startedMs)} ms, CPU ${cpuMs(poll)} ms`);
  const first = await taken(poll, db, async () => await post(poll));
  write(`first poll of an instance: ${first.wallMs.toFixed(0)} ms`);
  for (let n = 0; n < WARM_UP; n += 1) await post(poll);
  const idle: Taken[] = [];
  for (let n = 0; n < IDLE_POLLS; n += 1) {
    if (n % POLLS_A_CHECKPOINT === 0) await db.rows('checkpoint');
    idle.push(await taken(poll, db, async () => await post(poll)));
  }
  report(`${IDLE_POLLS} idle polls`, idle);
  write(`peak memory ${(poll.peakMemoryBytes() / 1_048_576).toFixed(0)} MiB`);
  await poll.kill();

  const push = await startFunction('gmailPush', env, dist);
  const emails: Taken[] = [];
  for (let n = 0; n < WARM_UP; n += 1) await deliver(gmail, push, n);
  await db.rows('checkpoint');
  const before = await sizes(db);
  for (let n = 0; n < EMAILS; n += 1) {
    emails.push(await taken(push, db, async () => await deliver(gmail, push, WARM_UP + n)));
  }
  report(`${EMAILS} emails of ${MAIL_BYTES} bytes, a push each`, emails);
  write(`peak memory ${(push.peakMemoryBytes() / 1_048_576).toFixed(0)} MiB`);
  await push.kill();
  const after = await sizes(db);
  for (const [table, { bytes, rows }] of after) {
    const was = before.get(table) ?? { bytes: 0, rows: 0 };
    write(
      `${table}: ${((rows - was.rows) / EMAILS).toFixed(2)} rows, ${Math.round((bytes - was.bytes) / EMAILS)} bytes an email`,
    );
  }
  await gmail.kill();
  await db.close();
}

async function post(target: FunctionProcess, body?: unknown): Promise<void> {
  const { status } = await target.post(body);
  if (status !== 200 && status !== 204) throw new Error(`Answered ${status}:\n${target.logLines.at(-1)}`);
}

async function deliver(
  gmail: Awaited<ReturnType<typeof startGmailProcess>>,
  push: FunctionProcess,
  n: number,
): Promise<void> {
  const raw = mailWithAttachment(n, MAIL_BYTES).toString('base64');
  const { historyId } = await gmail.control<{ historyId: string }>('deliver', { raw });
  const data = Buffer.from(`{"emailAddress":"orders@example.com","historyId":${historyId}}`).toString(
    'base64',
  );
  await post(push, {
    message: { data, messageId: historyId },
    subscription: 'projects/p/subscriptions/gmail-push',
  });
}

async function taken(target: FunctionProcess, db: BenchDatabase, work: () => Promise<void>): Promise<Taken> {
  const lines = target.logLines.length;
  const wal = await walBytes(db);
  const cpu = cpuMs(target);
  const startedMs = performance.now();
  await work();
  const wallMs = performance.now() - startedMs;
  return {
    wallMs,
    cpuMs: cpuMs(target) - cpu,
    logBytes: target.logLines.slice(lines).reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0),
    walBytes: (await walBytes(db)) - wal,
  };
}

function report(name: string, all: readonly Taken[]): void {
  const mean = (of: (one: Taken) => number): number =>
    all.reduce((sum, one) => sum + of(one), 0) / all.length;
  const wall = all.map((one) => one.wallMs);
  const billed = mean((one) => Math.ceil(one.wallMs / 100) * 100);
  write(
    `${name}: median ${median(wall).toFixed(0)} ms, mean ${mean((one) => one.wallMs).toFixed(0)} ms, billed ${billed.toFixed(0)} ms`,
  );
  write(
    `  CPU ${mean((one) => one.cpuMs).toFixed(1)} ms, log ${mean((one) => one.logBytes).toFixed(0)} bytes, WAL ${mean((one) => one.walBytes).toFixed(0)} bytes each`,
  );
}

/** User and system time of the process so far. Linux only. */
function cpuMs({ pid }: FunctionProcess): number {
  // Behind the name in brackets, which may hold spaces: state is the first field, utime the 12th, stime the 13th.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

async function walBytes(db: BenchDatabase): Promise<number> {
  const [row] = await db.rows("select (pg_current_wal_lsn() - '0/0'::pg_lsn)::float8 as bytes");
  return row.bytes;
}

/** Tables with their indexes and what is stored beside them. */
async function sizes(db: BenchDatabase): Promise<Map<string, { bytes: number; rows: number }>> {
  const found = new Map<string, { bytes: number; rows: number }>();
  const tables = await db.rows(
    "select relname::text as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1",
  );
  for (const { name } of tables) {
    const [row] = await db.rows(
      `select pg_total_relation_size('${name}')::float8 as bytes, (select count(*)::int from ${name}) as rows`,
    );
    found.set(name, row);
  }
  const [all] = await db.rows('select pg_database_size(current_database())::float8 as bytes, 0 as rows');
  return found.set('whole database', all);
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
