/** Formats the report of a failed round, with the command that repeats it, and the summary of all rounds. */
import { describe } from './events.ts';
import type { Plan } from './plan.ts';
import type { RoundEnd } from './round.ts';
import type { Summary } from './summary.ts';

/** Log lines that do not help to find a cause. */
const ROUTINE_LINE = /"event":"run_skipped"|: (Serving function|Function:|Signature type:)/;

export function roundReport(
  { seed, only }: { readonly seed: number; readonly only: string | null },
  plan: Plan,
  { violations, log }: RoundEnd,
): string {
  const kind = only === null ? '' : ` --only ${only}`;
  return [
    ...violations.map((violation) => `  VIOLATION ${violation}`),
    `  repeat: npm run faults -- --seed ${seed} --first ${plan.round} --rounds 1${kind}`,
    ...plan.events.map((event) => `    ${describe(event)}`),
    ...log.filter((line) => !ROUTINE_LINE.test(line)).map((line) => `    log ${line}`),
  ].join('\n');
}

export function summaryText(summary: Summary, ms: number): string {
  const faults = [...summary.faults].toSorted(([a], [b]) => a.localeCompare(b));
  return [
    `${summary.rounds} rounds in ${(ms / 60_000).toFixed(1)} minutes, ${summary.faultCount} faults injected:`,
    ...faults.map(([name, count]) => `  ${String(count).padStart(6)} ${name}`),
    `processes killed ${summary.faults.get('process killed') ?? 0}, scaled in ${summary.faults.get('process ended (scale in)') ?? 0}; ` +
      `delivered ${summary.delivered}, stored ${summary.stored}, gone ${summary.gone}, ignored ${summary.ignored}, ` +
      `lost ${summary.lost}, stored twice ${summary.duplicated}, temporarily dead ${summary.dead}, violations ${summary.violations}`,
  ].join('\n');
}
