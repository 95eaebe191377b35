/** Rounds one after another, each by its plan, and what all of them together have shown. */
import { performance } from 'node:perf_hooks';
import { buildFunctions } from '../helpers/processes.ts';
import { type Fixture, openFixture } from './fixture.ts';
import type { KindName } from './kinds.ts';
import { makePlan, ROUNDS_PER_FIXTURE } from './plan.ts';
import { FaultPostgres } from './postgres.ts';
import { roundReport, summaryText } from './report.ts';
import { playRound, type RoundEnd } from './round.ts';
import { Summary } from './summary.ts';

export interface RoundsOptions {
  readonly seed: number;
  /** The number of the first round; its fixture is opened for it. */
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

export async function runRounds(options: RoundsOptions): Promise<Summary> {
  const { seed, first, rounds, say } = options;
  const summary = new Summary();
  const startedAt = performance.now();
  const dist = buildFunctions();
  const postgres = await FaultPostgres.start();
  let fixture: Fixture | null = null;
  try {
    for (let round = first; round < first + rounds; round += 1) {
      const isOver = options.forMs !== null && performance.now() - startedAt > options.forMs;
      if (isOver || options.isCancelled?.() === true) break;
      if (fixture !== null && round % ROUNDS_PER_FIXTURE === 0) {
        await fixture.close();
        fixture = null;
      }
      const plan = makePlan(seed, round, options.only);
      const roundStartedAt = performance.now();
      const isFresh = fixture === null;
      fixture ??= await openFixture({ postgres, dist, seed, round });
      const end = await playRound(fixture, plan, summary, isFresh).catch(brokenRound(fixture));
      summary.rounds += 1;
      const seconds = ((performance.now() - roundStartedAt) / 1_000).toFixed(1);
      const verdict = end.violations.length === 0 ? 'ok' : `${end.violations.length} VIOLATIONS`;
      say(`round ${round}: ${plan.kinds.join('+')}, ${plan.mails.length} mails, ${seconds} s, ${verdict}`);
      if (end.violations.length > 0 || options.verbose === true) say(roundReport(options, plan, end));
      if (end.violations.length === 0) continue;
      summary.violations += end.violations.length;
      if (options.bail) break;
      // What a violation leaves behind must not show in the next rounds.
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

/** Whatever throws here has not kept its word either; the next round begins in a fixture of its own. */
function brokenRound(fixture: Fixture) {
  return (error: unknown): RoundEnd => ({
    violations: [`The round broke off: ${error instanceof Error ? error.stack : String(error)}`],
    log: fixture.processes.takeLog(),
  });
}
