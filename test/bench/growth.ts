/**
 * `npm run bench -- growth [EMAILS...]`: the time of the same operations over databases of different sizes: an idle poll, a
 * push with its email, and the operator's pages. The query plans are the executed ones over the largest database.
 */

import { FUNCTIONS } from '../../functions/runtime/functions.ts';
import { createLazyFunction } from '../../functions/runtime/lazy-function.ts';
import type { Target } from '../../functions/runtime/targets.ts';
import { type AppContext, createAppContext } from '../../shared/control/app-context.ts';
import { median } from './bench-database.ts';
import { type BenchSystem, inSystem, NO_QUOTA } from './bench-system.ts';
import { fillConsole, wordOf } from './console-mail.ts';
import { type IngestProcess, startIngest } from './ingest-run.ts';
import { explainAll, readPlans } from './plans.ts';
import { type Section, tableOf } from './results.ts';

const SIZES = [1_000, 100_000, 1_000_000];
/** Size of the database to compare with: enough for a full page of results, which must not count as growth. */
const BASELINE_SIZE = 100;
const OPTIONS = { quotaUnitsPerMinute: null };
const ROUNDS = 30;
const MAX_RATIO = 1.5;
/** A smaller difference is noise of the machine, not growth. */
const SIGNIFICANT_MS = 1;
const SETTINGS = ['session_preload_libraries=auto_explain', 'maintenance_work_mem=256MB', 'max_wal_size=8GB'];

/** Median milliseconds per operation, over the baseline and over the filled database, measured alternately. */
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
          const empty = await prepare(emptySystem, BASELINE_SIZE);
          measured.set(size, await timeAlternately(empty, filled));
          if (size === sizes.at(-1)) plans = await explainRuns(system, filled);
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
      `The same operations over up to ${count(sizes.at(-1) ?? 1)} stored emails with attachments, their ledger and 90 days of runs, ` +
      `alternating with a database of ${BASELINE_SIZE} emails (a full page of each list); medians of ${ROUNDS}, Gmail without delay. A difference below ${SIGNIFICANT_MS} ms counts as none.`,
    results: [...largest].map(([what, { empty, filled }]) => ({
      what,
      goal: `at most ${MAX_RATIO} times the baseline`,
      reached: `${(filled / empty).toFixed(2)} (${empty.toFixed(1)} → ${filled.toFixed(1)} ms)`,
      isMet: filled / empty <= MAX_RATIO || filled - empty < SIGNIFICANT_MS,
    })),
    more: [
      'Milliseconds by number of emails; in parentheses the baseline, measured at the same time:',
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
      'Query plans of a poll and a push over the largest database, each statement once:',
      plans,
    ].join('\n\n'),
  };
}

interface Prepared {
  readonly poll: IngestProcess;
  readonly push: IngestProcess;
  /** Operations by name. Each returns the milliseconds that it took. */
  readonly operations: ReadonlyMap<string, () => Promise<number>>;
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
  const operations = new Map<string, () => Promise<number>>([
    ['idle poll', async () => await runOnce(poll)],
    [
      'push with its email',
      async () => {
        await system.deliver(1);
        return await runOnce(push);
      },
    ],
    ...requestsFor(middle).map(([name, target, path, q]): [string, () => Promise<number>] => [
      name,
      timedRequest(context, target, path, q),
    ]),
  ]);
  return {
    poll,
    push,
    operations,
    close: async () => {
      await poll.close();
      await push.close();
      await context.db.close();
    },
  };
}

async function timeAlternately(empty: Prepared, filled: Prepared): Promise<Times> {
  const times: Times = new Map();
  for (const [name, operation] of filled.operations) {
    const baseline = empty.operations.get(name);
    if (baseline === undefined) throw new Error(`The baseline has no operation ${name}.`);
    const taken: { empty: number[]; filled: number[] } = { empty: [], filled: [] };
    for (let round = -5; round < ROUNDS; round += 1) {
      const emptyMs = await baseline();
      const filledMs = await operation();
      if (round < 0) continue;
      taken.empty.push(emptyMs);
      taken.filled.push(filledMs);
    }
    times.set(name, { empty: median(taken.empty), filled: median(taken.filled) });
  }
  return times;
}

/** @param middle id of an email between the oldest and the newest */
function requestsFor(middle: number): (readonly [string, Target, string, string?])[] {
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
    // Half of all emails come from more frequent customers.
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

function timedRequest(context: AppContext, target: Target, path: string, q?: string): () => Promise<number> {
  const served = createLazyFunction(FUNCTIONS[target], context);
  const request = {
    method: q === undefined ? 'GET' : 'POST',
    path,
    query: {},
    headers: { 'sec-fetch-site': 'same-origin' },
    body: q && { q },
  };
  return async () => {
    const startedMs = performance.now();
    const { status } = await served.handle(request);
    if (status !== 200) throw new Error(`${path} responded with ${status}.`);
    return performance.now() - startedMs;
  };
}

async function explainRuns(system: BenchSystem, { poll, push }: Prepared): Promise<string> {
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
