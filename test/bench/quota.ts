/**
 * `npm run bench -- quota`: a backlog under 6,000 units a minute, by two instances at once. How much of the budget is
 * used, how often Gmail refuses, and how far 600 emails come in how long.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type BenchWorld, type GmailStats, inWorld } from './bench-world.ts';
import { type IngestProcess, startIngest } from './ingest-run.ts';
import type { Section } from './measured.ts';

const UNITS_PER_MINUTE = 6_000;
const LATENCY_MS = 50;
const UNITS_AN_EMAIL = 20;
/** Two budgets, but for what the listings cost: 299 in each. */
const BACKLOG = 600;
const TWO_BUDGETS = 598;
const SHARE_EMAILS = 1_100;
const MINUTES = 3;

export async function quota(): Promise<Section> {
  const options = { quotaUnitsPerMinute: UNITS_PER_MINUTE, latencyMs: LATENCY_MS };
  const backlog = await inWorld(options, async (world) => await workOff(world, BACKLOG, 1));
  const shared = await inWorld(options, async (world) => await workOff(world, SHARE_EMAILS, 2));
  const share =
    (withinTheMinutes(shared.storedAfterMs).length * UNITS_AN_EMAIL) / (MINUTES * UNITS_PER_MINUTE);
  const firstMs = backlog.storedAfterMs[TWO_BUDGETS / 2 - 1] ?? Number.NaN;
  const twoMs = backlog.storedAfterMs[TWO_BUDGETS - 1] ?? Number.NaN;
  const allMs = backlog.storedAfterMs[BACKLOG - 1] ?? Number.NaN;
  // Between the same place in two budgets: how long a minute of the budget takes.
  const periodMs = (backlog.storedAfterMs[TWO_BUDGETS - 1] ?? 0) - firstMs;
  return {
    name: 'quota',
    title: 'A backlog under a quota',
    how:
      `${UNITS_PER_MINUTE} units in any sixty seconds, counted by the emulated Gmail; ${LATENCY_MS} ms a call. ${BACKLOG} emails by one ` +
      `instance; ${SHARE_EMAILS} by two at once, over ${MINUTES} minutes.`,
    findings: [
      {
        what: `${TWO_BUDGETS} emails, all that two budgets hold beside the listings`,
        goal: 'at most 62 s, of which 60 are the quota',
        reached: seconds(twoMs),
        isMet: twoMs <= 62_000,
      },
      { what: 'of these, until the first budget is spent', goal: null, reached: seconds(firstMs) },
      { what: 'from there until the second is spent', goal: null, reached: seconds(periodMs) },
      {
        what: `all ${BACKLOG}: the last two need a third budget, so 120 s at least`,
        goal: null,
        reached: seconds(allMs),
      },
      {
        what: `share of ${MINUTES} minutes' budget that became emails, two instances`,
        goal: 'at least 97 %',
        reached: `${(share * 100).toFixed(1)} %`,
        isMet: share >= 0.97,
      },
      {
        what: 'refusals, of one instance and of two',
        goal: 'none',
        reached: `${backlog.refused} and ${shared.refused}`,
        isMet: backlog.refused + shared.refused === 0,
      },
      {
        what: 'lost',
        goal: 'none',
        reached: String(backlog.missing + shared.missing),
        isMet: backlog.missing + shared.missing === 0,
      },
    ],
  };
}

function withinTheMinutes(times: readonly number[]): readonly number[] {
  return times.filter((ms) => ms <= MINUTES * 60_000);
}

interface WorkedOff {
  /** From the first start on, in order. */
  readonly storedAfterMs: readonly number[];
  readonly refused: number;
  readonly missing: number;
}

async function workOff(world: BenchWorld, count: number, instances: number): Promise<WorkedOff> {
  await world.deliver(count);
  const order = { inFlight: null, trigger: 'manual', budgetMs: 50_000 } as const;
  const processes = await Promise.all(
    Array.from({ length: instances }, async () => await startIngest(world.env, order)),
  );
  const [start] = await world.db.rows('select clock_timestamp() as at');
  await Promise.all(processes.map(async (one) => await runToEnd(one, world, count)));
  const rows = await world.db.rows('select created_at from incoming_emails order by created_at');
  const { units } = await world.gmail.control<GmailStats>('stats');
  await Promise.all(processes.map(async (one) => await one.close()));
  return {
    storedAfterMs: rows.map((row) => row.created_at.getTime() - start.at.getTime()),
    refused: units.refusedForUnits,
    missing: count - rows.length,
  };
}

/** As a scheduler that comes again at once: whoever finds the other at work waits a little. */
async function runToEnd(one: IngestProcess, { db }: BenchWorld, count: number): Promise<void> {
  for (;;) {
    const { counts } = await one.run();
    const [row] = await db.rows('select count(*)::int as stored from incoming_emails');
    if (row.stored >= count) return;
    if (counts.stored === 0) await delay(100);
  }
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
