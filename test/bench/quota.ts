/**
 * `npm run bench -- quota`: a backlog under 6,000 units per minute, by one instance and by two at once, on a Gmail that refills
 * its quota continuously, and on two that count whole minutes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type BenchSystem, type GmailStats, inSystem } from './bench-system.ts';
import { type IngestProcess, startIngest } from './ingest-run.ts';
import type { Finding, Section } from './measured.ts';

const UNITS_PER_MINUTE = 6_000;
const LATENCY_MS = 50;
const UNITS_PER_EMAIL = 20;
const BACKLOG = 600;
/** 12,000 units, less what the listings cost: where whole minutes are counted, 600 emails and a listing take a third minute. */
const TWO_MINUTES = 590;
const SHARE_EMAILS = 1_100;
const REFILL_GOAL_MS = 63_000;
const WHOLE_MINUTES_GOAL_MS = 90_000;
const MOST_LIMITED = 20;

export async function quota(): Promise<Section> {
  const optionsOf = (quotaKind: 'refill' | 'window' | 'calendar') => ({
    quotaUnitsPerMinute: UNITS_PER_MINUTE,
    latencyMs: LATENCY_MS,
    quotaKind,
  });
  const one = await inSystem(optionsOf('refill'), async (system) => await workOff(system, BACKLOG, 1));
  const two = await inSystem(optionsOf('refill'), async (system) => await workOff(system, SHARE_EMAILS, 2));
  const window = await inSystem(optionsOf('window'), async (system) => await workOff(system, TWO_MINUTES, 1));
  const calendar = await inSystem(
    optionsOf('calendar'),
    async (system) => await workOff(system, TWO_MINUTES, 1),
  );
  const all = [one, two, window, calendar];
  const share = (SHARE_EMAILS * UNITS_PER_EMAIL) / (UNITS_PER_MINUTE * (1 + lastMs(two) / 60_000));
  return {
    name: 'quota',
    title: 'A backlog under a quota',
    how:
      `${UNITS_PER_MINUTE} units per minute, counted by the emulated Gmail; ${LATENCY_MS} ms per call. ${BACKLOG} emails by one instance (${TWO_MINUTES} where whole minutes are counted), ` +
      `${SHARE_EMAILS} by two at once, each from a full quota. The share is of the full quota and of what refills until the last ` +
      'email is stored.',
    findings: [
      duration('quota that refills continuously; the floor is 60 s', one, REFILL_GOAL_MS),
      {
        what: 'quota that refills continuously: share that became emails, two instances',
        goal: 'at least 95 %',
        reached: `${(share * 100).toFixed(1)} %`,
        isMet: share >= 0.95,
      },
      atMost('rate-limited calls, of one instance and of two', 0, [one.limited, two.limited]),
      duration('sixty seconds counted whole', window, WHOLE_MINUTES_GOAL_MS),
      duration('calendar minutes counted whole', calendar, WHOLE_MINUTES_GOAL_MS),
      atMost('rate-limited calls, in both', MOST_LIMITED, [window.limited, calendar.limited]),
      atMost(
        'emails lost, in each',
        0,
        all.map(({ missing }) => missing),
      ),
    ],
  };
}

function duration(what: string, done: WorkedOff, goalMs: number): Finding {
  return {
    what: `${what}: ${done.storedAfterMs.length} emails`,
    goal: `at most ${goalMs / 1_000} s`,
    reached: `${(lastMs(done) / 1_000).toFixed(1)} s`,
    isMet: lastMs(done) <= goalMs,
  };
}

function lastMs({ storedAfterMs }: WorkedOff): number {
  return storedAfterMs.at(-1) ?? Number.NaN;
}

function atMost(what: string, most: number, counts: readonly number[]): Finding {
  return {
    what,
    goal: most === 0 ? 'none' : `at most ${most}`,
    reached: counts.join(' and '),
    isMet: counts.every((count) => count <= most),
  };
}

interface WorkedOff {
  /** From the first start on, in order. */
  readonly storedAfterMs: readonly number[];
  readonly limited: number;
  readonly missing: number;
}

async function workOff(system: BenchSystem, count: number, instances: number): Promise<WorkedOff> {
  const [before] = await system.db.rows('select count(*)::int as stored from incoming_emails');
  await system.deliver(count);
  const order = { inFlight: null, trigger: 'manual', budgetMs: 50_000 } as const;
  const processes = await Promise.all(
    Array.from({ length: instances }, async () => await startIngest(system.env, order)),
  );
  const [start] = await system.db.rows('select clock_timestamp() as at');
  await Promise.all(processes.map(async (one) => await runToEnd(one, system, before.stored + count)));
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

/** As a scheduler that calls again at once; an instance that finds the other at work waits a little. */
async function runToEnd(one: IngestProcess, { db }: BenchSystem, count: number): Promise<void> {
  for (;;) {
    const { counts } = await one.run();
    const [row] = await db.rows('select count(*)::int as stored from incoming_emails');
    if (row.stored >= count) return;
    if (counts.stored === 0) await delay(100);
  }
}
