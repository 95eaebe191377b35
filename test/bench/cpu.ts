/**
 * `npm run bench -- cpu`: the processor time of an email and of an idle poll, and what they ask the database. The
 * profile is of another run than the times: it costs some itself.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from './bench-database.ts';
import { type BenchSystem, inSystem, NO_QUOTA } from './bench-system.ts';
import { readShares } from './cpu-profile.ts';
import { startIngest } from './ingest-run.ts';
import { type Section, tableOf } from './measured.ts';

const EMAILS = 1_000;
const ROUNDS = 3;
const IDLE_POLLS = 40;
const SETTINGS = ['shared_preload_libraries=pg_stat_statements', 'pg_stat_statements.track_utility=on'];

interface Asked {
  readonly calls: number;
  readonly query: string;
}

export async function cpu(): Promise<Section> {
  return await inSystem({ quotaUnitsPerMinute: null }, measure, SETTINGS);
}

async function measure(system: BenchSystem): Promise<Section> {
  await system.db.rows('create extension pg_stat_statements');
  const env = { ...system.env, ...NO_QUOTA };
  const order = { inFlight: 16, trigger: 'schedule' } as const;
  const ingest = await startIngest(env, order);
  for (let n = 0; n < 5; n += 1) await ingest.warmUp();

  const idleCpu: number[] = [];
  let idleUnits = 0;
  await forget(system);
  for (let n = 0; n < IDLE_POLLS; n += 1) {
    const { counts, cpuMs } = await ingest.run();
    idleCpu.push(cpuMs);
    idleUnits = Math.max(idleUnits, counts.quotaUnits);
  }
  const idle = await asked(system);

  // Once more than counted: what the first emails of a process cost goes to the compiler.
  const perEmail: number[] = [];
  let emails: Asked[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    await system.deliver(EMAILS);
    await forget(system);
    const { counts, cpuMs } = await ingest.run();
    emails = await asked(system);
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
    title: 'An email and an idle poll: processor time and statements',
    how:
      `Emails of 40 KB with one attachment, ${EMAILS} in a run, a warm process, 16 in flight; median of ${ROUNDS} runs. Times are ` +
      `of the whole process, with its threads and its garbage collection. Statements by pg_stat_statements, ${IDLE_POLLS} idle polls.`,
    findings: [
      atMost('CPU per email', emailCpu, 5, 'ms', 2),
      atMost('round trips per email', emailTrips, 2, '', 2),
      {
        what: 'commits per email',
        goal: '1, and those of the run',
        reached: commits.toFixed(2),
        isMet: commits < 1.5,
      },
      atMost('units per idle poll', idleUnits, 2, '', 0),
      atMost('statements per idle poll', idleTrips, 8, '', 1),
      atMost('CPU per idle poll', pollCpu, 15, 'ms', 1),
    ],
    more: [
      'Largest shares of a profile, of the time in which the main thread was busy:',
      tableOf(['share', 'where'], shares),
      'Statements an email (those above one in fifty):',
      statementTable(emails, EMAILS, 0.02),
      'Statements an idle poll:',
      statementTable(idle, IDLE_POLLS, 0.5),
    ].join('\n\n'),
  };
}

function atMost(what: string, value: number, limit: number, unit: string, digits: number) {
  const shown = (n: number | string): string => `${n} ${unit}`.trim();
  return {
    what,
    goal: `at most ${shown(limit)}`,
    reached: shown(value.toFixed(digits)),
    isMet: Number(value.toFixed(digits)) <= limit,
  };
}

async function profile(system: BenchSystem, env: Record<string, string>): Promise<string[][]> {
  const folder = mkdtempSync(join(tmpdir(), 'email-monitor-profile-'));
  try {
    const order = { inFlight: 16, trigger: 'schedule' } as const;
    const ingest = await startIngest(env, order, ['--cpu-prof', `--cpu-prof-dir=${folder}`]);
    await ingest.warmUp();
    await system.deliver(EMAILS * 2);
    await ingest.run();
    await ingest.close();
    return readShares(folder, 8);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function forget({ db }: BenchSystem): Promise<void> {
  await db.rows('select pg_stat_statements_reset()');
}

/** What the ingest asked: what a trigger or a foreign key runs inside costs no round trip and is not counted. */
async function asked({ db }: BenchSystem): Promise<Asked[]> {
  return await db.rows(
    `select calls::float8 as calls, regexp_replace(query, '\\s+', ' ', 'g') as query
     from pg_stat_statements
     where toplevel and query not like '%pg_stat%'
     order by calls desc`,
  );
}

/** Those that commit a transaction, and the statement that stores an email, which commits by itself. */
function commitsOf(statements: readonly Asked[]): number {
  return tripsOf(statements.filter(({ query }) => query === 'commit' || query.includes('into email_raw')));
}

function tripsOf(statements: readonly Asked[]): number {
  return statements.reduce((sum, { calls }) => sum + calls, 0);
}

function statementTable(statements: readonly Asked[], per: number, least: number): string {
  return tableOf(
    ['each', 'statement'],
    statements
      .filter(({ calls }) => calls / per >= least)
      .map(({ calls, query }) => [
        (calls / per).toFixed(2),
        `\`${query.slice(0, 90).replaceAll('|', '\\|')}\``,
      ]),
  );
}
