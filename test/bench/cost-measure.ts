/**
 * `npm run bench -- cost-inputs`: measures the time, CPU, log, disk and write-ahead log of one idle poll and of one email,
 * with the built functions. The results are the MEASURED figures in cost-inputs.ts.
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
/** Raw size of the assumed email. */
const MAIL_BYTES = 60_000;
/** Polls per checkpoint: one poll per minute, and PostgreSQL's default checkpoint interval of five minutes. */
const POLLS_PER_CHECKPOINT = 5;
/** Linux's clock tick, the unit of CPU time in /proc. */
const TICK_MS = 10;

interface Use {
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
  const first = await measureUse(poll, db, async () => await post(poll));
  write(`first poll of an instance: ${first.wallMs.toFixed(0)} ms`);
  for (let n = 0; n < WARM_UP; n += 1) await post(poll);
  const idle: Use[] = [];
  for (let n = 0; n < IDLE_POLLS; n += 1) {
    if (n % POLLS_PER_CHECKPOINT === 0) await db.rows('checkpoint');
    idle.push(await measureUse(poll, db, async () => await post(poll)));
  }
  report(`${IDLE_POLLS} idle polls`, idle);
  write(`peak memory ${(poll.peakMemoryBytes() / 1_048_576).toFixed(0)} MiB`);
  await poll.kill();

  const push = await startFunction('gmailPush', env, dist);
  const emails: Use[] = [];
  for (let n = 0; n < WARM_UP; n += 1) await deliver(gmail, push, n);
  await db.rows('checkpoint');
  const before = await sizes(db);
  for (let n = 0; n < EMAILS; n += 1) {
    emails.push(await measureUse(push, db, async () => await deliver(gmail, push, WARM_UP + n)));
  }
  report(`${EMAILS} emails of ${MAIL_BYTES} bytes, one push per email`, emails);
  write(`peak memory ${(push.peakMemoryBytes() / 1_048_576).toFixed(0)} MiB`);
  await push.kill();
  const after = await sizes(db);
  for (const [table, { bytes, rows }] of after) {
    const was = before.get(table) ?? { bytes: 0, rows: 0 };
    write(
      `${table}: ${((rows - was.rows) / EMAILS).toFixed(2)} rows, ${Math.round((bytes - was.bytes) / EMAILS)} bytes per email`,
    );
  }
  await gmail.kill();
  await db.close();
}

async function post(target: FunctionProcess, body?: unknown): Promise<void> {
  const { status } = await target.post(body);
  if (status !== 200 && status !== 204)
    throw new Error(`The function responded with ${status}:\n${target.logLines.at(-1)}`);
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

async function measureUse(
  target: FunctionProcess,
  db: BenchDatabase,
  work: () => Promise<void>,
): Promise<Use> {
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

function report(name: string, all: readonly Use[]): void {
  const mean = (of: (one: Use) => number): number => all.reduce((sum, one) => sum + of(one), 0) / all.length;
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
  // After the name in parentheses, which may contain spaces: the 12th field is utime, the 13th stime.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

async function walBytes(db: BenchDatabase): Promise<number> {
  const [row] = await db.rows("select (pg_current_wal_lsn() - '0/0'::pg_lsn)::float8 as bytes");
  return row.bytes;
}

/** Size of each table including its indexes and TOAST data, and its number of rows. */
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
