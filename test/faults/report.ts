/** What the suite says: how to repeat a round that failed, and what all rounds together have shown. */
import { describe } from './events.ts';
import type { Plan } from './plan.ts';
import type { RoundEnd } from './round.ts';
import type { SuiteOptions } from './suite.ts';
import type { Tally } from './tally.ts';

/** Lines that say nothing of what went wrong. */
const DULL = /"event":"run_skipped"|: (Serving function|Function:|Signature type:)/;

export function roundReport({ seed, only }: SuiteOptions, plan: Plan, { violations, log }: RoundEnd): string {
  const kind = only === null ? '' : ` --only ${only}`;
  return [
    ...violations.map((violation) => `  VIOLATION ${violation}`),
    `  again: npm run faults -- --seed ${seed} --first ${plan.round} --rounds 1${kind}`,
    ...plan.events.map((event) => `    ${describe(event)}`),
    ...log.filter((line) => !DULL.test(line)).map((line) => `    log ${line}`),
  ].join('\n');
}

export function summary(tally: Tally, ms: number): string {
  const faults = [...tally.faults].toSorted(([a], [b]) => a.localeCompare(b));
  return [
    `${tally.rounds} rounds in ${(ms / 60_000).toFixed(1)} minutes, ${tally.faultCount} faults injected:`,
    ...faults.map(([name, count]) => `  ${String(count).padStart(6)} ${name}`),
    `delivered ${tally.delivered}, stored ${tally.stored}, gone ${tally.gone}, ignored ${tally.ignored}, ` +
      `lost ${tally.lost}, duplicated ${tally.duplicated}, violations ${tally.violations}`,
  ].join('\n');
}
