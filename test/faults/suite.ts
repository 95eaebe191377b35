/** Rounds one after another, each by its plan, and what all of them together have shown. */
import { performance } from 'node:perf_hooks';
import { buildFunctions } from '../helpers/processes.ts';
import type { KindName } from './kinds.ts';
import { makePlan, ROUNDS_A_WORLD } from './plan.ts';
import { FaultPostgres } from './postgres.ts';
import { roundReport, summary } from './report.ts';
import { playRound, type RoundEnd } from './round.ts';
import { Tally } from './tally.ts';
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
  /** Plan and log of every round, not only of those that fail. */
  readonly verbose?: boolean;
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
      const end = await playRound(world, plan, tally, isFresh).catch(brokenRound(world));
      tally.rounds += 1;
      const seconds = ((performance.now() - roundStartedAt) / 1_000).toFixed(1);
      const verdict = end.violations.length === 0 ? 'ok' : `${end.violations.length} VIOLATIONS`;
      say(`round ${round}: ${plan.kinds.join('+')}, ${plan.mails.length} mails, ${seconds} s, ${verdict}`);
      if (end.violations.length > 0 || options.verbose === true) say(roundReport(options, plan, end));
      if (end.violations.length === 0) continue;
      tally.violations += end.violations.length;
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

/** Whatever throws here has not kept its word either; the next round begins in a world of its own. */
function brokenRound(world: World) {
  return (error: unknown): RoundEnd => ({
    violations: [`The round broke off: ${error instanceof Error ? error.stack : String(error)}`],
    log: world.fleet.takeLog(),
  });
}
