/**
 * `npm run bench -- growth [EMAILS...]`: the same work over databases of different sizes: an idle poll, a push with its
 * email, and what the operator reads. The plans are those of the largest, of the statements as they really ran.
 */

import { createLazyFunction } from '../../functions/runtime/lazy-function.ts';
import { FUNCTIONS, type Target } from '../../functions/runtime/targets.ts';
import { type AppContext, createAppContext } from '../../shared/control/app-context.ts';
import { median } from './bench-database.ts';
import { type BenchSystem, inSystem, NO_QUOTA } from './bench-system.ts';
import { fillConsole, wordOf } from './console-mail.ts';
import { type IngestProcess, startIngest } from './ingest-run.ts';
import { type Section, tableOf } from './measured.ts';
import { explainAll, readPlans } from './plans.ts';

const SIZES = [1_000, 100_000, 1_000_000];
/** Beside them: enough for a full page of a frequent word, since showing 25 emails instead of one is no growth. */
const FEW = 100;
const OPTIONS = { quotaUnitsPerMinute: null };
const ROUNDS = 30;
const MOST = 1.5;
/** Below this a ratio tells the noise of the machine, not the growth. */
const NOTICED_MS = 1;
const SETTINGS = ['session_preload_libraries=auto_explain', 'maintenance_work_mem=256MB', 'max_wal_size=8GB'];

/** Of each piece of work, over the empty and over the filled database, in turn. */
type Times = Map<string, { readonly empty: number; readonly filled: number }>;

export async function growth(): Promise<Section> {
  const given = process.argv.slice(3).map(Number);
  const sizes = given.length > 0 ? given : SIZES;
  const measured = new Map<number, Times>();
  let plans = '';
  for (const size of sizes) {
    await inSystem(OPTIONS, async (emptySystem) => {
      await inSystem(
        OPTIONS,
        async (system) => {
          const filled = await prepare(system, size);
          const empty = await prepare(emptySystem, FEW);
          measured.set(size, await timeInTurn(empty, filled));
          if (size === sizes.at(-1)) plans = await explained(system, filled);
          await filled.close();
          await empty.close();
        },
        SETTINGS,
      );
    });
  }
  const largest = measured.get(sizes.at(-1) ?? 1) ?? (new Map() as Times);
  return {
    name: 'growth',
    title: 'Growth',
    how:
      `The same work over up to ${count(sizes.at(-1) ?? 1)} stored emails, each with a file, its ledger and ninety days of runs, and ` +
      `in turn over a database with ${FEW}, a full page of each list; medians of ${ROUNDS}, Gmail without delay. Less than ${NOTICED_MS} ms of difference counts as none.`,
    findings: [...largest].map(([what, { empty, filled }]) => ({
      what,
      goal: `at most ${MOST} times the almost empty table's`,
      reached: `${(filled / empty).toFixed(2)} (${empty.toFixed(1)} → ${filled.toFixed(1)} ms)`,
      isMet: filled / empty <= MOST || filled - empty < NOTICED_MS,
    })),
    more: [
      'Milliseconds over so many emails, and in brackets over the few at the same time:',
      tableOf(
        ['', ...sizes.map(count)],
        [...largest.keys()].map((what) => [
          what,
          ...sizes.map((size) => {
            const { empty, filled } = measured.get(size)?.get(what) ?? {
              empty: Number.NaN,
              filled: Number.NaN,
            };
            return `${filled.toFixed(1)} (${empty.toFixed(1)})`;
          }),
        ]),
      ),
      'Plans of a poll and a push over the largest, each statement once:',
      plans,
    ].join('\n\n'),
  };
}

interface Prepared {
  readonly poll: IngestProcess;
  readonly push: IngestProcess;
  /** By name; each gives the milliseconds that it took. */
  readonly works: ReadonlyMap<string, () => Promise<number>>;
  close(): Promise<void>;
}

async function prepare(system: BenchSystem, size: number): Promise<Prepared> {
  const { db, gmail } = system;
  await fillConsole(db, size);
  const { historyId } = await gmail.control<{ historyId: string }>('stats');
  await db.rows(`update mailboxes set cursor_history_id = ${historyId}`);
  await db.rows('update reconciliations set started_at = now(), evaluated_at = now()');
  const env = { ...system.env, ...NO_QUOTA };
  const poll = await startIngest(env, { inFlight: null, trigger: 'schedule' });
  const push = await startIngest(env, { inFlight: null, trigger: 'push' });
  await poll.warmUp();
  await push.warmUp();
  const middle = Math.ceil(size / 2);
  const context = createAppContext({ ...env, DB_POOL_SIZE: '2' }, () => undefined);
  const works = new Map<string, () => Promise<number>>([
    ['idle poll', async () => await runOnce(poll)],
    [
      'push with its email',
      async () => {
        await system.deliver(1);
        return await runOnce(push);
      },
    ],
    ...asks(middle).map(([name, target, path, q]): [string, () => Promise<number>] => [
      name,
      answering(context, target, path, q),
    ]),
  ]);
  return {
    poll,
    push,
    works,
    close: async () => {
      await poll.close();
      await push.close();
      await context.db.close();
    },
  };
}

async function timeInTurn(empty: Prepared, filled: Prepared): Promise<Times> {
  const times: Times = new Map();
  for (const [name, work] of filled.works) {
    const beside = empty.works.get(name);
    if (beside === undefined) throw new Error(`Nothing stands beside ${name}.`);
    const taken: { empty: number[]; filled: number[] } = { empty: [], filled: [] };
    for (let round = -5; round < ROUNDS; round += 1) {
      const emptyMs = await beside();
      const filledMs = await work();
      if (round < 0) continue;
      taken.empty.push(emptyMs);
      taken.filled.push(filledMs);
    }
    times.set(name, { empty: median(taken.empty), filled: median(taken.filled) });
  }
  return times;
}

/** @param middle the email between the oldest and the newest; what is searched is in subject and sender */
function asks(middle: number): (readonly [string, Target, string, string?])[] {
  const search = (what: string, q: string) =>
    [`console: search, ${what}`, 'console', '/api/console/emails/search', q] as const;
  return [
    ['status', 'status', '/'],
    ['console: overview', 'console', '/api/console/overview'],
    ['console: newest emails', 'console', '/api/console/emails'],
    ['console: one email', 'console', `/api/console/emails/${middle}`],
    search('a frequent word', 'bestellung'),
    search('a number', String(100_000 + middle)),
    search('a word that no email has', 'zebra'),
    // Half of all mail comes from customers that write more often.
    search('a customer, one email in 600', wordOf('customer', 70)),
    search('an article, one email in 100', wordOf('article', 10)),
    ['console: runs', 'console', '/api/console/runs'],
  ];
}

async function runOnce(ingest: IngestProcess): Promise<number> {
  const { error, wallMs } = await ingest.run();
  if (error !== null) throw new Error(`A run failed: ${error}.`);
  return wallMs;
}

function answering(context: AppContext, target: Target, path: string, q?: string): () => Promise<number> {
  const served = createLazyFunction(FUNCTIONS[target], context);
  const request = {
    method: q === undefined ? 'GET' : 'POST',
    path,
    query: {},
    headers: {},
    body: q && { q },
  };
  return async () => {
    const startedMs = performance.now();
    const { status } = await served.handle(request);
    if (status !== 200) throw new Error(`${path} answers ${status}.`);
    return performance.now() - startedMs;
  };
}

async function explained(system: BenchSystem, { poll, push }: Prepared): Promise<string> {
  const { db } = system;
  await explainAll(db);
  const from = db.log().length;
  await poll.run();
  await system.deliver(1);
  await push.run();
  return readPlans(db.log().slice(from));
}

function count(n: number): string {
  return n.toLocaleString('en-US');
}
