/**
 * `npm run bench -- console [EMAILS]`: the median time of each console response, over a small and a large database. It
 * measures the function without the network to the browser; the database is on the same machine.
 */

import { FUNCTIONS } from '../../functions/runtime/functions.ts';
import { createLazyFunction } from '../../functions/runtime/lazy-function.ts';
import { createAppContext } from '../../shared/control/app-context.ts';
import { type BenchDatabase, median, startBenchDatabase } from './bench-database.ts';
import { fillConsole, wordOf } from './console-mail.ts';
import { planSummary } from './plan-summary.ts';
import { explainAll } from './plans.ts';
import { tableOf, writeSection } from './results.ts';

const ROUNDS = 20;
const SMALL_EMAIL_COUNT = 1_000;
/** A slower median fails the benchmark. */
const LIMIT_MS = 100;
const SETTINGS = ['session_preload_libraries=auto_explain', 'max_wal_size=8GB'];

const BASE = '/api/console';

interface ConsoleRequest {
  readonly name: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, string>>;
}

interface Middle {
  readonly id: number;
  readonly cursor: string;
  readonly time: string;
  /** Before it, one email in 5,000 has attachments. */
  readonly quarter: string;
}

function requestsFor({ cursor, id, quarter, time }: Middle): ConsoleRequest[] {
  const search = (name: string, q: string, before?: string): ConsoleRequest => ({
    name: `search: ${name}`,
    path: `${BASE}/emails/search`,
    body: { q, ...(before === undefined ? {} : { before }) },
  });
  const filter = (name: string, body: Readonly<Record<string, string>>): ConsoleRequest => ({
    name: `filter: ${name}`,
    path: `${BASE}/emails/search`,
    body,
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
      query: { before: cursor, limit: '100' },
    },
    filter('jump to a date in the middle', { to: time }),
    filter('not before a date in the middle', { from: time }),
    filter('mailbox, nearly all', { mailbox: 'orders@example.com' }),
    filter('mailbox, one in 1,000', { mailbox: 'returns@example.com' }),
    filter('mailbox, unknown', { mailbox: 'unknown@example.com' }),
    filter('processed, nearly all', { processed: 'yes' }),
    filter('not processed, one in 5,000', { processed: 'no' }),
    filter('attachments, most', { attachments: 'with' }),
    filter('attachments, one in 5,000, one call', { attachments: 'with', to: quarter }),
    filter('defects, one in 4,000', { defects: 'with' }),
    filter('not processed and defects, none', { processed: 'no', defects: 'with' }),
    filter('mailbox and attachments, jump to the middle', {
      mailbox: 'returns@example.com',
      attachments: 'with',
      to: time,
    }),
    filter('a frequent word, jump to the middle', { q: 'bestellung', to: time }),
    filter('a frequent word, mailbox', { q: 'bestellung', mailbox: 'returns@example.com' }),
    filter('a frequent word, not processed', { q: 'bestellung', processed: 'no' }),
    filter('a rare word, attachments and processed', {
      q: wordOf('customer', 70),
      attachments: 'with',
      processed: 'yes',
    }),
    filter('a frequent and a rare word, defects', { q: 'order 見積依頼', defects: 'with' }),
    search('an accent, one email in 50', 'muller'),
    search('an accent, one email in 10,000', 'angstrom'),
    search('Japanese, one email in 20', '注文書'),
    search('Japanese, one email in 10,000', '見積依頼'),
    search('Japanese, one letter', '見'),
    search('a Message-ID', `<order-${id}@example.com>`),
    search('a Message-ID that no email has', 'unknown@example.com'),
    search('a word of every email', 'example'),
    search('a word of every email, from the middle', 'example', cursor),
    search('one letter', 'b'),
    search('a word of a sixth of all emails', 'commande'),
    search('the oldest email', '100001'),
    search('the oldest email and a word of every email', 'order 100001'),
    search('a customer of one email in ten thousand', wordOf('customer', 1_000)),
    search('a customer of one email in 600', wordOf('customer', 70)),
    search('an article of one email in 100', wordOf('article', 10)),
    search('two frequent words, no email with both', 'commande nachlieferung zzz'),
    search('a word that no email has', 'zebra'),
    search('a prefix of a tenth of all emails', '1'),
    search('a word of all emails but the newest 5 %', 'altbestand'),
    search('a word of only the oldest sixth', 'legacy'),
    search('a word of the oldest sixth and a word of all emails', 'legacy example'),
    search('a Gmail message id', (1_000_000_000_000_000 + id).toString(16)),
    { name: 'one email', path: `${BASE}/emails/${id}` },
    { name: 'messages: failing and dead', path: `${BASE}/messages` },
    { name: 'messages: ignored', path: `${BASE}/messages`, query: { state: 'ignored' } },
    { name: 'messages: gone', path: `${BASE}/messages`, query: { state: 'gone' } },
    { name: 'messages: ignored by rule', path: `${BASE}/messages/counts` },
    { name: 'runs', path: `${BASE}/runs` },
    { name: 'incidents', path: `${BASE}/incidents` },
  ];
}

export async function consoleResponses(): Promise<void> {
  const large = Number(process.argv[3] ?? 100_000);
  const { times: smallTimes } = await measure(SMALL_EMAIL_COUNT);
  const { plans, times: largeTimes } = await measure(large);
  const isMet = (times: readonly number[]) => median(times) <= LIMIT_MS;
  writeSection({
    name: 'console',
    title: `The console with ${large.toLocaleString('en')} emails`,
    how:
      `Each response of the console without the network to the browser: median and slowest of ${ROUNDS}. ` +
      `In brackets the same with ${SMALL_EMAIL_COUNT.toLocaleString('en')} emails.`,
    results: [...largeTimes].map(([what, times]) => ({
      what,
      goal: `at most ${LIMIT_MS} ms`,
      reached: `${formatTimes(times)} (${formatTimes(smallTimes.get(what))})`,
      isMet: isMet(times),
    })),
    more: `What PostgreSQL reads for each:\n\n${tableOf(['response', 'statements and plans'], [...plans])}`,
  });
  if (![...largeTimes.values()].every(isMet)) process.exitCode = 1;
}

function formatTimes(times: readonly number[] = []): string {
  return `${median(times).toFixed(1)}, ${Math.max(...times).toFixed(1)} ms`;
}

interface Measured {
  readonly times: Map<string, number[]>;
  /** What PostgreSQL read for each request. */
  readonly plans: Map<string, string>;
}

async function measure(emailCount: number): Promise<Measured> {
  const db = await startBenchDatabase(SETTINGS);
  try {
    const { insertMs } = await fillConsole(db, emailCount);
    await printInsertCost(db, emailCount, insertMs);
    const requests = requestsFor(await readMiddle(db, emailCount));
    const context = createAppContext({ DATABASE_URL: db.url, DB_POOL_SIZE: '2' }, () => undefined);
    try {
      return {
        times: await timeAll(context, requests),
        plans: await explainRequests(db, context, requests),
      };
    } finally {
      await context.db.close();
    }
  } finally {
    await db.close();
  }
}

async function readMiddle(db: BenchDatabase, emailCount: number): Promise<Middle> {
  const at = (id: number) => `
    select id, email_cursor(received_at, id) as cursor, received_at
    from incoming_emails
    where id = ${id}`;
  const [middle] = await db.rows(at(Math.round(emailCount / 2)));
  const [quarter] = await db.rows(at(Math.round(emailCount / 4)));
  return {
    id: middle.id,
    cursor: middle.cursor,
    time: middle.received_at.toISOString(),
    quarter: quarter.received_at.toISOString(),
  };
}

function httpRequest({ body, path, query = {} }: ConsoleRequest) {
  return {
    method: body === undefined ? 'GET' : 'POST',
    path,
    query,
    headers: { 'sec-fetch-site': 'same-origin' },
    body,
  };
}

async function timeAll(
  context: ReturnType<typeof createAppContext>,
  requests: readonly ConsoleRequest[],
): Promise<Map<string, number[]>> {
  const served = createLazyFunction(FUNCTIONS.console, context);
  const times = new Map<string, number[]>();
  for (const request of requests) {
    // The first request is not counted: it loads the route and fills the caches.
    await served.handle(httpRequest(request));
    const taken: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const started = performance.now();
      const { status } = await served.handle(httpRequest(request));
      if (status !== 200) throw new Error(`${request.name} responded with ${status}.`);
      taken.push(performance.now() - started);
    }
    times.set(request.name, taken);
  }
  return times;
}

async function explainRequests(
  db: BenchDatabase,
  context: ReturnType<typeof createAppContext>,
  requests: readonly ConsoleRequest[],
): Promise<Map<string, string>> {
  const served = createLazyFunction(FUNCTIONS.console, context);
  await explainAll(db);
  const plans = new Map<string, string>();
  for (const request of requests) {
    const from = db.log().length;
    await served.handle(httpRequest(request));
    plans.set(request.name, planSummary(db.log().slice(from)));
  }
  return plans;
}

/** Prints what the search index costs when emails are inserted. */
async function printInsertCost(db: BenchDatabase, emailCount: number, insertMs: number): Promise<void> {
  const [size] = await db.rows(
    `select pg_relation_size('idx_email_search_words') / 1024 as index_kb,
            pg_relation_size('idx_email_search_received_at') / 1024 as order_kb,
            pg_relation_size('email_search') / 1024 as table_kb`,
  );
  process.stdout.write(
    `${emailCount} emails: ${((insertMs * 1_000) / emailCount).toFixed(0)} µs each to insert; ` +
      `search words: index ${size.index_kb} KB, table ${size.table_kb} KB; index of the order ${size.order_kb} KB\n`,
  );
}
