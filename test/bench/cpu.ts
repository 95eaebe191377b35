/**
 * `npm run bench -- cpu`: the CPU time and the SQL statements of an email and of an idle poll. The profile comes from a
 * separate run, because profiling itself takes CPU time.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from './bench-database.ts';
import { type BenchSystem, inSystem, NO_QUOTA } from './bench-system.ts';
import { readShares } from './cpu-profile.ts';
import { startIngest } from './ingest-run.ts';
import { type Section, tableOf } from './results.ts';

const EMAILS = 1_000;
const ROUNDS = 3;
const IDLE_POLLS = 40;
const SETTINGS = ['shared_preload_libraries=pg_stat_statements', 'pg_stat_statements.track_utility=on'];

interface Statement {
  readonly calls: number;
  readonly query: string;
}

export async function cpu(): Promise<Section> {
  return await inSystem({ quotaUnitsPerMinute: null }, measure, SETTINGS);
}

async function measure(system: BenchSystem): Promise<Section> {
  await system.db.rows('create extension pg_stat_statements');
  const env = { ...system.env, ...NO_QUOTA };
  const settings = { inFlight: 16, trigger: 'schedule' } as const;
  const ingest = await startIngest(env, settings);
  for (let n = 0; n < 5; n += 1) await ingest.warmUp();

  const idleCpu: number[] = [];
  let idleUnits = 0;
  await resetStatements(system);
  for (let n = 0; n < IDLE_POLLS; n += 1) {
    const { counts, cpuMs } = await ingest.run();
    idleCpu.push(cpuMs);
    idleUnits = Math.max(idleUnits, counts.quotaUnits);
  }
  const idle = await readStatements(system);

  // The first round is not counted: for the first emails of a process the JIT compiler takes additional time.
  const perEmail: number[] = [];
  let emails: Statement[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    await system.deliver(EMAILS);
    await resetStatements(system);
    const { counts, cpuMs } = await ingest.run();
    emails = await readStatements(system);
    if (round > 0) perEmail.push(cpuMs / counts.stored);
  }
  await ingest.close();

  const shares = await profile(system, env);
  const idleTrips = tripsOf(idle) / IDLE_POLLS;
  const emailTrips = tripsOf(emails) / EMAILS;
  const commits = commitsOf(emails) / EMAILS;
  const emailCpu = median(perEmail);
  const pollCpu = median(idleCpu);
  return {
    name: 'cpu',
    title: 'CPU time and statements per email and per idle poll',
    how:
      `${EMAILS} emails of 40 KB with one attachment per run, a warm process, 16 calls in flight; median of ${ROUNDS} runs. CPU times ` +
      `include all threads and garbage collection. Statements are from pg_stat_statements; ${IDLE_POLLS} idle polls.`,
    results: [
      atMost('CPU per email', emailCpu, 5, 'ms', 2),
      atMost('round trips per email', emailTrips, 2, '', 2),
      {
        what: 'commits per email',
        goal: '1, plus those of the run',
        reached: commits.toFixed(2),
        isMet: commits < 1.5,
      },
      atMost('units per idle poll', idleUnits, 2, '', 0),
      atMost('statements per idle poll', idleTrips, 8, '', 1),
      atMost('CPU per idle poll', pollCpu, 15, 'ms', 1),
    ],
    more: [
      'Largest shares of the busy time of the main thread:',
      tableOf(['share', 'function'], shares),
      'Statements per email (only those above 0.02):',
      statementTable(emails, EMAILS, 0.02),
      'Statements per idle poll (only those above 0.5):',
      statementTable(idle, IDLE_POLLS, 0.5),
    ].join('\n\n'),
  };
}

function atMost(what: string, value: number, limit: number, unit: string, digits: number) {
  const withUnit = (n: number | string): string => `${n} ${unit}`.trim();
  return {
    what,
    goal: `at most ${withUnit(limit)}`,
    reached: withUnit(value.toFixed(digits)),
    isMet: Number(value.toFixed(digits)) <= limit,
  };
}

async function profile(system: BenchSystem, env: Record<string, string>): Promise<string[][]> {
  const folder = mkdtempSync(join(tmpdir(), 'email-monitor-profile-'));
  try {
    const settings = { inFlight: 16, trigger: 'schedule' } as const;
    const ingest = await startIngest(env, settings, ['--cpu-prof', `--cpu-prof-dir=${folder}`]);
    await ingest.warmUp();
    await system.deliver(EMAILS * 2);
    await ingest.run();
    await ingest.close();
    return readShares(folder, 8);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function resetStatements({ db }: BenchSystem): Promise<void> {
  await db.rows('select pg_stat_statements_reset()');
}

/** The statements that were sent. Those inside triggers and foreign keys need no round trip and are not counted. */
async function readStatements({ db }: BenchSystem): Promise<Statement[]> {
  return await db.rows(
    `select calls::float8 as calls, regexp_replace(query, '\\s+', ' ', 'g') as query
     from pg_stat_statements
     where toplevel and query not like '%pg_stat%'
     order by calls desc`,
  );
}

/** Number of explicit commits, plus the statement that stores an email, which is its own transaction. */
function commitsOf(statements: readonly Statement[]): number {
  return tripsOf(statements.filter(({ query }) => query === 'commit' || query.includes('into email_raw')));
}

function tripsOf(statements: readonly Statement[]): number {
  return statements.reduce((sum, { calls }) => sum + calls, 0);
}

function statementTable(statements: readonly Statement[], per: number, minimum: number): string {
  return tableOf(
    ['count', 'statement'],
    statements
      .filter(({ calls }) => calls / per >= minimum)
      .map(({ calls, query }) => [
        (calls / per).toFixed(2),
        `\`${query.slice(0, 90).replaceAll('|', '\\|')}\``,
      ]),
  );
}
