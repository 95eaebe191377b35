/** Runs the rounds of a seed one after another and sums up their results. */
import { performance } from 'node:perf_hooks';
import { buildFunctions } from '../helpers/child-processes.ts';
import { type Fixture, openFixture } from './fixture.ts';
import type { KindName } from './kinds.ts';
import { makePlan, ROUNDS_PER_FIXTURE } from './plan.ts';
import { FaultPostgres } from './postgres.ts';
import { roundReport, summaryText } from './report.ts';
import { type RoundEnd, runRound } from './round.ts';
import { Summary } from './summary.ts';

export interface RoundsOptions {
  readonly seed: number;
  /** The number of the first round, which starts with a new fixture. */
  readonly first: number;
  readonly rounds: number;
  /** No round starts after this many milliseconds; null = no limit. */
  readonly forMs: number | null;
  readonly only: KindName | null;
  /** Stops after the first round with a violation. */
  readonly bail: boolean;
  /** Prints plan and log of every round, not only of failed ones. */
  readonly verbose?: boolean;
  readonly say: (line: string) => void;
  /** Checked before each round; true stops. */
  readonly isCancelled?: () => boolean;
}

export async function runRounds(options: RoundsOptions): Promise<Summary> {
  const { seed, first, rounds, say } = options;
  const summary = new Summary();
  const startedAt = performance.now();
  const dist = buildFunctions();
  const postgres = await FaultPostgres.start();
  let fixture: Fixture | null = null;
  try {
    for (let round = first; round < first + rounds; round += 1) {
      const isTimeUp = options.forMs !== null && performance.now() - startedAt > options.forMs;
      if (isTimeUp || options.isCancelled?.() === true) break;
      if (fixture !== null && round % ROUNDS_PER_FIXTURE === 0) {
        await fixture.close();
        fixture = null;
      }
      const plan = makePlan(seed, round, options.only);
      const roundStartedAt = performance.now();
      const isFresh = fixture === null;
      fixture ??= await openFixture({ postgres, dist, seed, round });
      const end = await runRound(fixture, plan, summary, isFresh).catch(failedRound(fixture));
      summary.rounds += 1;
      const seconds = ((performance.now() - roundStartedAt) / 1_000).toFixed(1);
      const result = end.violations.length === 0 ? 'ok' : `${end.violations.length} VIOLATIONS`;
      say(`round ${round}: ${plan.kinds.join('+')}, ${plan.mails.length} emails, ${seconds} s, ${result}`);
      if (end.violations.length > 0 || options.verbose === true) say(roundReport(options, plan, end));
      if (end.violations.length === 0) continue;
      summary.violations += end.violations.length;
      if (options.bail) break;
      // A violation must not affect the next rounds.
      await fixture.close();
      fixture = null;
    }
  } finally {
    await fixture?.close();
    await postgres.close();
  }
  say(summaryText(summary, performance.now() - startedAt));
  return summary;
}

/** Turns an exception into a violation. The next round starts with a new fixture. */
function failedRound(fixture: Fixture) {
  return (error: unknown): RoundEnd => ({
    violations: [`The round failed: ${error instanceof Error ? error.stack : String(error)}`],
    log: fixture.processes.takeLog(),
  });
}
