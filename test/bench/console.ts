/**
 * `npm run bench -- console [EMAILS]`: the median time of each console response, over a small and a large database. It
 * measures the function without the network to the browser; the database is on the same machine.
 */

import { createLazyFunction } from '../../functions/runtime/lazy-function.ts';
import { FUNCTIONS } from '../../functions/runtime/targets.ts';
import { createAppContext } from '../../shared/control/app-context.ts';
import { type BenchDatabase, median, startBenchDatabase } from './bench-database.ts';
import { fillConsole, wordOf } from './console-mail.ts';

const ROUNDS = 20;
const SMALL_EMAIL_COUNT = 1_000;
/** A slower median fails the benchmark. */
const LIMIT_MS = 50;

const BASE = '/api/console';

interface ConsoleRequest {
  readonly name: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly q?: string;
  readonly before?: number;
}

function requestsFor(emailCount: number): ConsoleRequest[] {
  const middle = Math.round(emailCount / 2);
  const search = (name: string, q: string, before?: number): ConsoleRequest => ({
    name: `search: ${name}`,
    path: `${BASE}/emails/search`,
    q,
    ...(before === undefined ? {} : { before }),
  });
  return [
    { name: 'status', path: '/api/system/email-monitor/status' },
    { name: 'overview', path: `${BASE}/overview` },
    { name: 'charts, 48 hours', path: `${BASE}/charts` },
    { name: 'charts, 14 days', path: `${BASE}/charts`, query: { hours: '336' } },
    { name: 'emails', path: `${BASE}/emails` },
    {
      name: 'emails, from the middle, 100',
      path: `${BASE}/emails`,
      query: { before: String(middle), limit: '100' },
    },
    search('a word of every email', 'example'),
    search('a word of every email, from the middle', 'example', middle),
    search('one letter', 'b'),
    search('a word of a sixth of all emails', 'commande'),
    search('the oldest email', '100001'),
    search('a customer of one email in ten thousand', wordOf('customer', 1_000)),
    search('a customer of one email in 600', wordOf('customer', 70)),
    search('an article of one email in 100', wordOf('article', 10)),
    search('two frequent words, no email with both', 'commande nachlieferung zzz'),
    search('a word that no email has', 'zebra'),
    search('a prefix of a tenth of all emails', '1'),
    search('a word of all emails but the newest 5 %', 'altbestand'),
    search('a word of only the oldest sixth', 'legacy'),
    search('a word of the oldest sixth and a word of all emails', 'legacy example'),
    search('a Gmail message id', (1_000_000_000_000_000 + middle).toString(16)),
    { name: 'one email', path: `${BASE}/emails/${middle}` },
    { name: 'dead', path: `${BASE}/dead` },
    { name: 'runs', path: `${BASE}/runs` },
    { name: 'incidents', path: `${BASE}/incidents` },
  ];
}

export async function consoleResponses(): Promise<void> {
  const large = Number(process.argv[3] ?? 100_000);
  const smallTimes = await measure(SMALL_EMAIL_COUNT);
  const largeTimes = await measure(large);
  process.stdout.write(
    `\n${'response, ms, median (slowest) of 20'.padEnd(56)} ${String(SMALL_EMAIL_COUNT).padStart(15)} ${String(large).padStart(15)}\n`,
  );
  let slowCount = 0;
  for (const [name, times] of largeTimes) {
    const slow = median(times) > LIMIT_MS;
    if (slow) slowCount += 1;
    process.stdout.write(
      `${name.padEnd(56)} ${formatTimes(smallTimes.get(name))} ${formatTimes(times)}${slow ? '  TOO SLOW' : ''}\n`,
    );
  }
  if (slowCount > 0) process.exitCode = 1;
}

function formatTimes(times: readonly number[] = []): string {
  return `${median(times).toFixed(1)} (${Math.max(...times).toFixed(1)})`.padStart(15);
}

async function measure(emailCount: number): Promise<Map<string, number[]>> {
  const db = await startBenchDatabase();
  try {
    const { insertMs } = await fillConsole(db, emailCount);
    await printInsertCost(db, emailCount, insertMs);
    const context = createAppContext({ DATABASE_URL: db.url, DB_POOL_SIZE: '2' }, () => undefined);
    try {
      return await timeAll(context, emailCount);
    } finally {
      await context.db.close();
    }
  } finally {
    await db.close();
  }
}

async function timeAll(
  context: ReturnType<typeof createAppContext>,
  emailCount: number,
): Promise<Map<string, number[]>> {
  const served = createLazyFunction(FUNCTIONS.console, context);
  const times = new Map<string, number[]>();
  for (const { before, name, path, q, query = {} } of requestsFor(emailCount)) {
    const request = {
      method: q === undefined ? 'GET' : 'POST',
      path,
      query,
      headers: { 'sec-fetch-site': 'same-origin' },
      body: q === undefined ? undefined : { q, ...(before === undefined ? {} : { before }) },
    };
    // The first request is not counted: it loads the route and fills the caches.
    await served.handle(request);
    const taken: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const started = performance.now();
      const { status } = await served.handle(request);
      if (status !== 200) throw new Error(`${name} responded with ${status}.`);
      taken.push(performance.now() - started);
    }
    times.set(name, taken);
  }
  return times;
}

/** Prints what the search index costs when emails are inserted. */
async function printInsertCost(db: BenchDatabase, emailCount: number, insertMs: number): Promise<void> {
  const [size] = await db.rows(
    `select pg_relation_size('idx_incoming_emails_search') / 1024 as index_kb,
            pg_relation_size('incoming_emails') / 1024 as table_kb`,
  );
  process.stdout.write(
    `${emailCount} emails: ${((insertMs * 1_000) / emailCount).toFixed(0)} µs each to insert; ` +
      `search index ${size.index_kb} KB, table ${size.table_kb} KB\n`,
  );
}
