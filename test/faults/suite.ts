/** Rounds one after another: a plan, its happenings, quiet, the property; and what all of them together have shown. */
import { performance } from 'node:perf_hooks';
import { buildFunctions } from '../helpers/processes.ts';
import { Calls } from './calls.ts';
import { describe } from './events.ts';
import type { KindName } from './kinds.ts';
import { makePlan, type Plan, ROUNDS_A_WORLD } from './plan.ts';
import { FaultPostgres } from './postgres.ts';
import { becomeQuiet, CALM } from './quiet.ts';
import { Stage } from './stage.ts';
import { Tally } from './tally.ts';
import { verify } from './verify.ts';
import { openWorld, type World } from './world.ts';

export interface SuiteOptions {
  readonly seed: number;
  /** The number of the first round; its world is opened for it. */
  readonly first: number;
  readonly rounds: number;
  /** No round begins after so many milliseconds; null = no limit. */
  readonly forMs: number | null;
  readonly only: KindName | null;
  /** Ends at the first violation. */
  readonly bail: boolean;
  readonly say: (line: string) => void;
  /** Ends between two rounds. */
  readonly isCancelled?: () => boolean;
}

export async function runSuite(options: SuiteOptions): Promise<Tally> {
  const { seed, first, rounds, say } = options;
  const tally = new Tally();
  const startedAt = performance.now();
  const dist = buildFunctions();
  const postgres = await FaultPostgres.start();
  let world: World | null = null;
  try {
    for (let round = first; round < first + rounds; round += 1) {
      const isOver = options.forMs !== null && performance.now() - startedAt > options.forMs;
      if (isOver || options.isCancelled?.() === true) break;
      if (world !== null && round % ROUNDS_A_WORLD === 0) {
        await world.close();
        world = null;
      }
      const plan = makePlan(seed, round, options.only);
      const roundStartedAt = performance.now();
      const isFresh = world === null;
      world ??= await openWorld({ postgres, dist, seed, round });
      const violations = await playRound(world, plan, tally, isFresh);
      tally.rounds += 1;
      const seconds = ((performance.now() - roundStartedAt) / 1_000).toFixed(1);
      const verdict = violations.length === 0 ? 'ok' : `${violations.length} VIOLATIONS`;
      say(`round ${round}: ${plan.kinds.join('+')}, ${plan.mails.length} mails, ${seconds} s, ${verdict}`);
      if (violations.length === 0) continue;
      tally.violations += violations.length;
      say(failureReport(options, plan, violations));
      if (options.bail) break;
      // What a violation leaves behind must not show in the next rounds.
      await world.close();
      world = null;
    }
  } finally {
    await world?.close();
    await postgres.close();
  }
  say(summary(tally, performance.now() - startedAt));
  return tally;
}

async function playRound(world: World, plan: Plan, tally: Tally, isFresh: boolean): Promise<string[]> {
  const calls = new Calls(world.fleet);
  await world.gmail.control('switches', {
    ...CALM,
    notifications: { ...CALM.notifications, url: world.door.url },
  });
  await calls.call('start');
  // A mailbox is met for the first time with its faults, or before them: never somewhere in between.
  if (isFresh && !plan.isBirth) {
    const unquiet = await becomeQuiet(world, calls);
    if (unquiet !== null) return [`The world did not open: ${unquiet}`];
  }
  await new Stage(world, plan, calls, tally).play();
  const unquiet = await becomeQuiet(world, calls);
  const { faults } = await world.gmail.control<{ faults: { struck: Record<string, number> } }>('stats');
  for (const [name, count] of Object.entries(faults.struck)) tally.fault(`Gmail: ${name}`, count);
  await world.gmail.control('reset-counters', {});
  const violations = await verify(world, calls, plan.round, tally);
  return unquiet === null ? violations : [`It did not come to rest: ${unquiet}`, ...violations];
}

function failureReport({ seed, only }: SuiteOptions, plan: Plan, violations: readonly string[]): string {
  const again = `npm run faults -- --seed ${seed} --first ${plan.round} --rounds 1${only === null ? '' : ` --only ${only}`}`;
  return [
    ...violations.map((violation) => `  VIOLATION ${violation}`),
    `  again: ${again}`,
    ...plan.events.map((event) => `    ${describe(event)}`),
  ].join('\n');
}

function summary(tally: Tally, ms: number): string {
  const faults = [...tally.faults].toSorted(([a], [b]) => a.localeCompare(b));
  return [
    `${tally.rounds} rounds in ${(ms / 60_000).toFixed(1)} minutes, ${tally.faultCount} faults injected:`,
    ...faults.map(([name, count]) => `  ${String(count).padStart(6)} ${name}`),
    `delivered ${tally.delivered}, stored ${tally.stored}, gone ${tally.gone}, ignored ${tally.ignored}, ` +
      `lost ${tally.lost}, duplicated ${tally.duplicated}, violations ${tally.violations}`,
  ].join('\n');
}
