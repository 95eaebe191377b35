/** The part `idle` of `npm run bench -- mailboxes`: what 10,000 mailboxes cost in which nothing happens. */
import { numbersFrom } from './mailboxes.ts';
import { inManySystem, type ManySystem, type Use } from './many-system.ts';
import { type Result, tableOf } from './results.ts';

const MAILBOXES = 10_000;
const INTERVALS = [60, 600] as const;
/** Rounds without a due mailbox, to measure poll itself. */
const EMPTY_POLLS = 10;

interface Tick {
  readonly intervalSeconds: number;
  readonly dispatched: number;
  readonly pollMs: number;
  readonly use: Use;
}

export interface IdleFigures {
  readonly results: readonly Result[];
  readonly ticks: readonly Tick[];
}

export async function measureIdle(dist: string, latencyMs: number): Promise<IdleFigures> {
  const options = { accounts: MAILBOXES + 1, latencyMs };
  return await inManySystem(dist, options, {}, async (system) => {
    await system.tick();
    await system.add(numbersFrom(1, MAILBOXES));
    const first = await system.measure(async () => {
      for (let rounds = 0; (await identified(system)) < MAILBOXES && rounds < 20; rounds += 1)
        await system.tick();
    });
    write(`first runs: ${(first.use.wallMs / 1_000).toFixed(0)} s, ${JSON.stringify(first.use)}`);
    await system.db.rows('vacuum analyze');
    // The second poll of each mailbox confirms the cursor; after it nothing is left.
    await makeDue(system, 1);
    await system.tick();

    const empty = await system.measure(async () => {
      const times: number[] = [];
      for (let n = 0; n < EMPTY_POLLS; n += 1) {
        await makeDue(system, Number.POSITIVE_INFINITY);
        times.push((await system.tick()).pollMs);
      }
      return Math.max(...times);
    });
    write(`polls without a due mailbox: ${JSON.stringify(empty.use)}`);
    const ticks: Tick[] = [];
    for (const intervalSeconds of INTERVALS) {
      await makeDue(system, intervalSeconds / 60);
      const { result, use } = await system.measure(async () => await system.tick());
      ticks.push({ intervalSeconds, ...result, use });
      write(`interval ${intervalSeconds} s: ${JSON.stringify({ ...result, ...use })}`);
    }
    const [statements] = await system.db.rows(
      `select sum(calls)::float8 as calls from pg_stat_statements where toplevel and query ilike '%with recursive pending%'`,
    );
    const informative = (what: string, reached: string): Result => ({ what, goal: null, reached });
    return {
      ticks,
      results: [
        informative(
          `first runs of ${MAILBOXES.toLocaleString('en-US')} empty mailboxes`,
          `${(first.use.wallMs / 1_000).toFixed(0)} s, ${(first.use.statements / MAILBOXES).toFixed(1)} statements each`,
        ),
        {
          what: `poll with ${MAILBOXES.toLocaleString('en-US')} mailboxes, none due: worst of ${EMPTY_POLLS}`,
          goal: 'at most 500 ms',
          reached: `${empty.result.toFixed(0)} ms, ${(empty.use.statements / EMPTY_POLLS).toFixed(0)} statements, ${(empty.use.databaseMs / EMPTY_POLLS).toFixed(1)} ms in the database`,
          isMet: empty.result <= 500,
        },
        ...ticks.map(({ dispatched, intervalSeconds, pollMs }) =>
          informative(
            `poll that dispatches ${dispatched.toLocaleString('en-US')} (interval ${intervalSeconds} s)`,
            `${pollMs.toFixed(0)} ms, ${statements?.calls ?? 0} search of due mailboxes`,
          ),
        ),
      ],
    };
  });
}

/** One of `parts` mailboxes is due, the others are not. */
async function makeDue({ db }: ManySystem, parts: number): Promise<void> {
  const isDue = Number.isFinite(parts) ? `id % ${parts} = 0` : 'false';
  await db.rows(
    `update mailboxes /* bench */
     set next_poll_at = case when ${isDue} then now() - interval '1 second' else now() + interval '1 hour' end`,
  );
}

async function identified({ db }: ManySystem): Promise<number> {
  const [row] = await db.rows(
    'select count(*)::int as count /* bench */ from mailbox_settings where mailbox_id is not null',
  );
  return row.count;
}

/** Markdown below the results. */
export function idleTables({ ticks }: IdleFigures): string[] {
  const per = (value: number, dispatched: number) => (value / Math.max(1, dispatched)).toFixed(2);
  return [
    `${MAILBOXES.toLocaleString('en-US')} idle mailboxes, per minute (one poll and the runs that it dispatches):`,
    tableOf(
      ['', ...ticks.map(({ intervalSeconds }) => `interval ${intervalSeconds} s`)],
      [
        ['runs', ...ticks.map(({ dispatched }) => dispatched.toLocaleString('en-US'))],
        ['statements', ...ticks.map(({ use }) => Math.round(use.statements).toLocaleString('en-US'))],
        ['statements per run', ...ticks.map(({ dispatched, use }) => per(use.statements, dispatched))],
        ['Gmail units', ...ticks.map(({ use }) => use.units.toLocaleString('en-US'))],
        [
          'CPU of the functions, s',
          ...ticks.map(({ use }) => ((use.ingestCpuMs + use.otherCpuMs) / 1_000).toFixed(1)),
        ],
        [
          'CPU of the functions per run, ms',
          ...ticks.map(({ dispatched, use }) => per(use.ingestCpuMs + use.otherCpuMs, dispatched)),
        ],
        ['CPU of poll and gmailPush, s', ...ticks.map(({ use }) => (use.otherCpuMs / 1_000).toFixed(2))],
        ['CPU of PostgreSQL, s', ...ticks.map(({ use }) => (use.postgresCpuMs / 1_000).toFixed(1))],
        [
          'CPU of PostgreSQL per run, ms',
          ...ticks.map(({ dispatched, use }) => per(use.postgresCpuMs, dispatched)),
        ],
        ['database time, s', ...ticks.map(({ use }) => (use.databaseMs / 1_000).toFixed(1))],
        ['until all runs had ended, s', ...ticks.map(({ use }) => (use.wallMs / 1_000).toFixed(1))],
      ],
    ),
  ];
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
