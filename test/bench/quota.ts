/**
 * `npm run bench -- quota`: a backlog under 6,000 units per minute, fetched by one instance and by two, with a quota that
 * refills continuously. Also with quotas per sliding 60 seconds and per calendar minute.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type BenchSystem, type GmailStats, inSystem } from './bench-system.ts';
import { type IngestProcess, startIngest } from './ingest-run.ts';
import type { Result, Section } from './results.ts';

const UNITS_PER_MINUTE = 6_000;
const LATENCY_MS = 50;
const UNITS_PER_EMAIL = 20;
const BACKLOG = 600;
/** Two minutes' quota minus the listings: 600 emails and a listing would need a third minute if whole minutes count. */
const TWO_MINUTES_EMAILS = 590;
const SHARE_EMAILS = 1_100;
const REFILL_GOAL_MS = 63_000;
const WHOLE_MINUTES_GOAL_MS = 90_000;
const MAX_RATE_LIMITED = 20;

export async function quota(): Promise<Section> {
  const optionsOf = (quotaKind: 'refill' | 'window' | 'calendar') => ({
    quotaUnitsPerMinute: UNITS_PER_MINUTE,
    latencyMs: LATENCY_MS,
    quotaKind,
  });
  const one = await inSystem(optionsOf('refill'), async (system) => await fetchBacklog(system, BACKLOG, 1));
  const two = await inSystem(
    optionsOf('refill'),
    async (system) => await fetchBacklog(system, SHARE_EMAILS, 2),
  );
  const window = await inSystem(
    optionsOf('window'),
    async (system) => await fetchBacklog(system, TWO_MINUTES_EMAILS, 1),
  );
  const calendar = await inSystem(
    optionsOf('calendar'),
    async (system) => await fetchBacklog(system, TWO_MINUTES_EMAILS, 1),
  );
  const all = [one, two, window, calendar];
  const share = (SHARE_EMAILS * UNITS_PER_EMAIL) / (UNITS_PER_MINUTE * (1 + lastMs(two) / 60_000));
  return {
    name: 'quota',
    title: 'A backlog under a quota',
    how:
      `${UNITS_PER_MINUTE} units per minute, enforced by the emulated Gmail; ${LATENCY_MS} ms per call. One instance fetches ${BACKLOG} emails ` +
      `(${TWO_MINUTES_EMAILS} where whole minutes are counted), two concurrent instances fetch ${SHARE_EMAILS}, each starting with a full quota. ` +
      'The share is relative to the full quota plus what refills until the last email is stored.',
    results: [
      duration('continuous refill (lower bound 60 s)', one, REFILL_GOAL_MS),
      {
        what: 'continuous refill: share of the quota used for emails, two instances',
        goal: 'at least 95 %',
        reached: `${(share * 100).toFixed(1)} %`,
        isMet: share >= 0.95,
      },
      atMost('continuous refill: rate-limited calls, one and two instances', 0, [one.limited, two.limited]),
      duration('sliding 60 seconds', window, WHOLE_MINUTES_GOAL_MS),
      duration('calendar minutes', calendar, WHOLE_MINUTES_GOAL_MS),
      atMost('rate-limited calls, sliding and calendar', MAX_RATE_LIMITED, [
        window.limited,
        calendar.limited,
      ]),
      atMost(
        'lost emails, in each run',
        0,
        all.map(({ missing }) => missing),
      ),
    ],
  };
}

function duration(what: string, done: Backlog, goalMs: number): Result {
  return {
    what: `${what}: ${done.storedAfterMs.length} emails`,
    goal: `at most ${goalMs / 1_000} s`,
    reached: `${(lastMs(done) / 1_000).toFixed(1)} s`,
    isMet: lastMs(done) <= goalMs,
  };
}

function lastMs({ storedAfterMs }: Backlog): number {
  return storedAfterMs.at(-1) ?? Number.NaN;
}

function atMost(what: string, max: number, counts: readonly number[]): Result {
  return {
    what,
    goal: max === 0 ? 'none' : `at most ${max}`,
    reached: counts.join(' and '),
    isMet: counts.every((count) => count <= max),
  };
}

interface Backlog {
  /** Milliseconds after the start, in ascending order. */
  readonly storedAfterMs: readonly number[];
  readonly limited: number;
  readonly missing: number;
}

async function fetchBacklog(system: BenchSystem, count: number, instances: number): Promise<Backlog> {
  const [before] = await system.db.rows('select count(*)::int as stored from incoming_emails');
  await system.deliver(count);
  const settings = { inFlight: null, trigger: 'manual', budgetMs: 50_000 } as const;
  const processes = await Promise.all(
    Array.from({ length: instances }, async () => await startIngest(system.env, settings)),
  );
  const [start] = await system.db.rows('select clock_timestamp() as at');
  await Promise.all(processes.map(async (one) => await runUntilStored(one, system, before.stored + count)));
  const rows = await system.db.rows(
    `select created_at from incoming_emails order by created_at offset ${before.stored}`,
  );
  const { units } = await system.gmail.control<GmailStats>('stats');
  await Promise.all(processes.map(async (one) => await one.close()));
  return {
    storedAfterMs: rows.map((row) => row.created_at.getTime() - start.at.getTime()),
    limited: units.refusedForUnits,
    missing: count - rows.length,
  };
}

/** Starts run after run. An instance that stored nothing, because the other one works, waits briefly. */
async function runUntilStored(one: IngestProcess, { db }: BenchSystem, count: number): Promise<void> {
  for (;;) {
    const { counts } = await one.run();
    const [row] = await db.rows('select count(*)::int as stored from incoming_emails');
    if (row.stored >= count) return;
    if (counts.stored === 0) await delay(100);
  }
}
