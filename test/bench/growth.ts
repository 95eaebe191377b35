/**
 * `npm run bench -- growth [EMAILS...]`: the same work over databases of different sizes: an idle poll, a push with its
 * email, and what the operator reads. The plans are those of the largest, of the statements as they really ran.
 */
import { createFunction, type Target } from '../../functions/catalogue.ts';
import { createContext, type FunctionContext } from '../../functions/context.ts';
import { median } from './bench-database.ts';
import { type BenchWorld, inWorld, NO_QUOTA } from './bench-world.ts';
import { fillConsole } from './console-mail.ts';
import { type IngestProcess, startIngest } from './ingest-run.ts';
import { type Section, tableOf } from './measured.ts';
import { explainAll, readPlans } from './plans.ts';

/** The smallest stands for an empty table. */
const SIZES = [1, 1_000, 100_000, 1_000_000];
const ROUNDS = 30;
const MOST = 1.5;
/** Below this a ratio tells the noise of the machine, not the growth. */
const NOTICED_MS = 1;
const SETTINGS = ['session_preload_libraries=auto_explain', 'maintenance_work_mem=256MB', 'max_wal_size=8GB'];

type Times = Map<string, number>;

export async function growth(): Promise<Section> {
  const given = process.argv.slice(3).map(Number);
  const sizes = given.length > 0 ? [1, ...given] : SIZES;
  const measured = new Map<number, Times>();
  let plans = '';
  for (const size of sizes) {
    await inWorld(
      { quotaUnitsPerMinute: null },
      async (world) => {
        const at = await measure(world, size, size === sizes.at(-1));
        measured.set(size, at.times);
        plans = at.plans;
      },
      SETTINGS,
    );
  }
  const empty = measured.get(1) ?? new Map<string, number>();
  const largest = measured.get(sizes.at(-1) ?? 1) ?? new Map<string, number>();
  return {
    name: 'growth',
    title: 'Growth',
    how:
      `The same work over 1 and up to ${count(sizes.at(-1) ?? 1)} stored emails, each with a file, its ledger and ninety days of runs; ` +
      `medians of ${ROUNDS}, Gmail without delay. Differences below ${NOTICED_MS} ms count as none.`,
    findings: [...largest].map(([what, ms]) => {
      const base = empty.get(what) ?? Number.NaN;
      return {
        what,
        goal: `at most ${MOST} times the empty table's`,
        reached: `${(ms / base).toFixed(2)} (${base.toFixed(1)} → ${ms.toFixed(1)} ms)`,
        isMet: ms / base <= MOST || ms - base < NOTICED_MS,
      };
    }),
    more: [
      tableOf(
        ['ms, median', ...sizes.map(count)],
        [...largest.keys()].map((what) => [
          what,
          ...sizes.map((size) => (measured.get(size)?.get(what) ?? Number.NaN).toFixed(1)),
        ]),
      ),
      'Plans of a poll and a push over the largest, each statement once:',
      plans,
    ].join('\n\n'),
  };
}

async function measure(
  world: BenchWorld,
  size: number,
  showsPlans: boolean,
): Promise<{ readonly times: Times; readonly plans: string }> {
  const { db, gmail } = world;
  await fillConsole(db, size);
  const { historyId } = await gmail.control<{ historyId: string }>('stats');
  await db.rows(`update mailboxes set cursor_history_id = ${historyId}, proved_at = now()`);
  const env = { ...world.env, ...NO_QUOTA };
  const poll = await startIngest(env, { inFlight: null, trigger: 'schedule' });
  const push = await startIngest(env, { inFlight: null, trigger: 'push' });
  await poll.warmUp();
  await push.warmUp();
  const times: Times = new Map();
  times.set('idle poll', await timeRuns(poll, async () => undefined));
  times.set('push with its email', await timeRuns(push, async () => await world.deliver(1)));
  const context = createContext({ ...env, DB_POOL_SIZE: '2' }, () => undefined);
  for (const [name, target, path, q] of ASKS) {
    times.set(
      name,
      await timeAnswers(context, target, path.replace('MIDDLE', String(Math.ceil(size / 2))), q),
    );
  }
  await context.db.close();
  const plans = showsPlans
    ? await explained(world, async () => {
        await poll.run();
        await world.deliver(1);
        await push.run();
      })
    : '';
  await poll.close();
  await push.close();
  return { times, plans };
}

const ASKS: readonly (readonly [string, Target, string, string?])[] = [
  ['status', 'status', '/'],
  ['console: overview', 'console', '/api/console/overview'],
  ['console: newest emails', 'console', '/api/console/emails'],
  ['console: one email', 'console', '/api/console/emails/MIDDLE'],
  ['console: search, a frequent word', 'console', '/api/console/emails/search', 'bestellung'],
  ['console: search, a number', 'console', '/api/console/emails/search', '100001'],
  ['console: runs', 'console', '/api/console/runs'],
];

async function timeRuns(ingest: IngestProcess, before: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let round = -5; round < ROUNDS; round += 1) {
    await before();
    const { error, wallMs } = await ingest.run();
    if (error !== null) throw new Error(`A run failed: ${error}.`);
    if (round >= 0) times.push(wallMs);
  }
  return median(times);
}

async function timeAnswers(
  context: FunctionContext,
  target: Target,
  path: string,
  q?: string,
): Promise<number> {
  const served = createFunction(target, context);
  const request = {
    method: q === undefined ? 'GET' : 'POST',
    path,
    query: {},
    headers: {},
    body: q && { q },
  };
  const times: number[] = [];
  for (let round = -5; round < ROUNDS; round += 1) {
    const startedMs = performance.now();
    const { status } = await served.handle(request);
    if (status !== 200) throw new Error(`${path} answers ${status}.`);
    if (round >= 0) times.push(performance.now() - startedMs);
  }
  return median(times);
}

async function explained({ db }: BenchWorld, work: () => Promise<void>): Promise<string> {
  await explainAll(db);
  const from = db.log().length;
  await work();
  return readPlans(db.log().slice(from));
}

function count(n: number): string {
  return n.toLocaleString('en-US');
}
