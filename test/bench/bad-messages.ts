/**
 * `npm run bench -- bad-messages`: 200 emails, of which 20 fail on every attempt. Measures how soon the other 180 are
 * stored, what `status` reports, and how soon the 20 are stored after the fault ends.
 */

import { FUNCTIONS } from '../../functions/runtime/functions.ts';
import { createLazyFunction } from '../../functions/runtime/lazy-function.ts';
import { createAppContext } from '../../shared/control/app-context.ts';
import { mailWithAttachment } from './bench-mail.ts';
import { type BenchSystem, inSystem, NO_QUOTA } from './bench-system.ts';
import { startIngest } from './ingest-run.ts';
import type { Result, Section } from './results.ts';
import { databaseTime, nthStoredMs, runAfterMinute, storedCount } from './simulated-minutes.ts';

const EMAILS = 200;
const BAD = 20;
const LATENCY_MS = 50;
const MAIL_BYTES = 40_000;
const BUDGET_MS = 50_000;
const GOAL_MS = 10_000;
/** A hanging call occupies a slot for ten seconds. */
const HANGING_GOAL_MS = 35_000;
/** Further one-minute runs during the fault, after the first. */
const EXTRA_RUNS = 1;

const KINDS: Readonly<Record<string, object>> = {
  '500': { kind: 'status', status: 500 },
  truncated: { kind: 'truncate' },
  '400': { kind: 'status', status: 400 },
  '403': { kind: 'status', status: 403, reason: 'forbidden' },
  hanging: { kind: 'hang' },
};

export async function badMessages(): Promise<Section> {
  const results: Result[] = [];
  const given = process.argv.slice(3);
  for (const [name, fault] of Object.entries(KINDS)) {
    if (given.length > 0 && !given.includes(name)) continue;
    process.stdout.write(`${name}\n`);
    results.push(
      ...(await inSystem(
        { quotaUnitsPerMinute: null, latencyMs: LATENCY_MS },
        async (system) => await measure(system, name, fault),
      )),
    );
  }
  return {
    name: 'bad-messages',
    title: 'Messages that fail on every attempt',
    how:
      `${EMAILS} emails, of which ${BAD} fail in every \`messages.get\`; ${LATENCY_MS} ms per call, no quota, a warm instance, one ` +
      `run per minute, simulated by back-dating. The fault lasts ${EXTRA_RUNS + 1} runs.`,
    results,
  };
}

async function measure(system: BenchSystem, name: string, fault: object): Promise<Result[]> {
  const ingest = await startIngest(
    { ...system.env, ...NO_QUOTA },
    { inFlight: null, trigger: 'schedule', budgetMs: BUDGET_MS },
  );
  await ingest.warmUp();
  for (let n = 0; n < EMAILS; n += 1) {
    const raw = mailWithAttachment(n, MAIL_BYTES).toString('base64');
    const { id } = await system.gmail.control<{ id: string }>('deliver', { raw });
    if (n % (EMAILS / BAD) === 0)
      await system.gmail.control('faults/add', { ...fault, method: 'messages.get', messageId: id });
  }
  const since = await databaseTime(system);
  const first = await ingest.run();
  process.stdout.write(`${name}: first run ${JSON.stringify(first)}\n`);
  for (let run = 0; run < EXTRA_RUNS; run += 1) await runAfterMinute(system, ingest);
  const goodMs = await nthStoredMs(system, EMAILS - BAD, since);
  const { count, state } = await failing(system);
  await system.gmail.control('faults/clear', {});
  const clearedAt = performance.now();
  let runs = 0;
  while ((await storedCount(system)) < EMAILS && runs < 10) {
    await runAfterMinute(system, ingest);
    runs += 1;
  }
  const seconds = runs * 60 + (performance.now() - clearedAt) / 1_000;
  await ingest.close();
  const goalMs = name === 'hanging' ? HANGING_GOAL_MS : GOAL_MS;
  return [
    {
      what: `${name}: time until the other ${EMAILS - BAD} are stored`,
      goal: `at most ${goalMs / 1_000} s`,
      reached: goodMs === null ? 'not stored' : `${(goodMs / 1_000).toFixed(1)} s`,
      isMet: goodMs !== null && goodMs <= goalMs,
    },
    {
      what: `${name}: status during the fault`,
      goal: `fetch_failing, ${BAD}`,
      reached: `${state}, ${count}`,
      isMet: state === 'fetch_failing' && count === BAD,
    },
    {
      what: `${name}: time until all are stored after the fault ends, with a full minute before each run`,
      goal: 'at most 120 s',
      reached: runs >= 10 ? 'not stored' : `${seconds.toFixed(0)} s`,
      isMet: seconds <= 120 + 5,
    },
  ];
}

async function failing({ env }: BenchSystem): Promise<{ readonly state: string; readonly count: number }> {
  const context = createAppContext({ ...env, ...NO_QUOTA, DB_POOL_SIZE: '1' }, () => undefined);
  try {
    const served = createLazyFunction(FUNCTIONS.status, context);
    const { body } = await served.handle({
      method: 'GET',
      path: '/',
      query: {},
      headers: {},
      body: undefined,
    });
    const { state, mailboxes } = JSON.parse(String(body));
    return { state, count: mailboxes[0]?.failing?.count ?? 0 };
  } finally {
    await context.db.close();
  }
}
