/**
 * `npm run bench -- quota`: a backlog under 6,000 units a minute, by one instance and by two at once, on a Gmail whose
 * budget refills while it is spent, and on one that counts any sixty seconds whole.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type BenchWorld, type GmailStats, inWorld } from './bench-world.ts';
import { type IngestProcess, startIngest } from './ingest-run.ts';
import type { Finding, Section } from './measured.ts';

const UNITS_PER_MINUTE = 6_000;
const LATENCY_MS = 50;
const UNITS_AN_EMAIL = 20;
const BACKLOG = 600;
const SHARE_EMAILS = 1_100;
/** Once the kind of budget is known. */
const AGAIN_EMAILS = 350;
const WINDOW_MINUTES = 3;
const GOAL_MS = 62_000;

export async function quota(): Promise<Section> {
  const options = { quotaUnitsPerMinute: UNITS_PER_MINUTE, latencyMs: LATENCY_MS };
  const refilling = { ...options, quotaKind: 'refill' };
  const one = await inWorld(refilling, async (world) => await workOff(world, BACKLOG, 1));
  const two = await inWorld(refilling, async (world) => await workOff(world, SHARE_EMAILS, 2));
  const strict = await inWorld({ ...options, quotaKind: 'window' }, async (world) => {
    const first = await workOff(world, SHARE_EMAILS, 2);
    return { ...first, again: (await workOff(world, AGAIN_EMAILS, 2)).refused - first.refused };
  });
  const lastMs = two.storedAfterMs.at(-1) ?? Number.NaN;
  const refillShare = shareOf(SHARE_EMAILS, UNITS_PER_MINUTE * (1 + lastMs / 60_000));
  const withinMinutes = strict.storedAfterMs.filter((ms) => ms <= WINDOW_MINUTES * 60_000).length;
  const windowShare = shareOf(withinMinutes, UNITS_PER_MINUTE * WINDOW_MINUTES);
  const allMs = one.storedAfterMs[BACKLOG - 1] ?? Number.NaN;
  return {
    name: 'quota',
    title: 'A backlog under a quota',
    how:
      `${UNITS_PER_MINUTE} units a minute, counted by the emulated Gmail; ${LATENCY_MS} ms a call. ${BACKLOG} emails by one instance, ` +
      `${SHARE_EMAILS} by two at once, both from a full budget. The share is of the whole budget and what refills until the last ` +
      `email is stored, or of ${WINDOW_MINUTES} minutes' budgets.`,
    findings: [
      {
        what: `a budget that refills: ${BACKLOG} emails; the floor is 60 s`,
        goal: 'at most 62 s',
        reached: seconds(allMs),
        isMet: allMs <= GOAL_MS,
      },
      share('a budget that refills: share that became emails, two instances', refillShare),
      none('refusals, of one instance and of two', [one.refused, two.refused]),
      share('any sixty seconds whole: share that became emails, two instances', windowShare),
      {
        what: 'refusals until that is known, once a week',
        goal: null,
        reached: String(strict.refused),
      },
      none(`refusals of ${AGAIN_EMAILS} emails after it`, [strict.again]),
      none('lost, in each', [one.missing, two.missing, strict.missing]),
    ],
  };
}

function shareOf(emails: number, units: number): number {
  return (emails * UNITS_AN_EMAIL) / units;
}

function share(what: string, value: number): Finding {
  return { what, goal: 'at least 97 %', reached: `${(value * 100).toFixed(1)} %`, isMet: value >= 0.97 };
}

function none(what: string, counts: readonly number[]): Finding {
  return { what, goal: 'none', reached: counts.join(' and '), isMet: counts.every((count) => count === 0) };
}

interface WorkedOff {
  /** From the first start on, in order. */
  readonly storedAfterMs: readonly number[];
  readonly refused: number;
  readonly missing: number;
}

async function workOff(world: BenchWorld, count: number, instances: number): Promise<WorkedOff> {
  const [before] = await world.db.rows('select count(*)::int as stored from incoming_emails');
  await world.deliver(count);
  const order = { inFlight: null, trigger: 'manual', budgetMs: 50_000 } as const;
  const processes = await Promise.all(
    Array.from({ length: instances }, async () => await startIngest(world.env, order)),
  );
  const [start] = await world.db.rows('select clock_timestamp() as at');
  await Promise.all(processes.map(async (one) => await runToEnd(one, world, before.stored + count)));
  const rows = await world.db.rows(
    `select created_at from incoming_emails order by created_at offset ${before.stored}`,
  );
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
