/** Runs one round: executes its plan, waits until the system is idle, and compares the database with what was delivered. */
import { Calls } from './calls.ts';
import type { Fixture } from './fixture.ts';
import { NO_INDEX_LAG } from './gmail-defaults.ts';
import { type Plan, ROUNDS_PER_FIXTURE } from './plan.ts';
import { PlanRunner } from './plan-runner.ts';
import type { Summary } from './summary.ts';
import { verify } from './verify.ts';
import { verifyControl } from './verify-control.ts';
import { verifyReconciliation } from './verify-reconciliation.ts';
import { endFaults, verifyCursorCatchesUp, waitUntilIdle } from './wait-until-idle.ts';

export interface RoundEnd {
  /** Empty if the round passed. */
  readonly violations: readonly string[];
  /** The log lines of the functions. */
  readonly log: readonly string[];
}

/** @param isFresh no run has seen the mailbox of this fixture yet */
export async function runRound(
  fixture: Fixture,
  plan: Plan,
  summary: Summary,
  isFresh: boolean,
): Promise<RoundEnd> {
  const calls = new Calls(fixture.processes);
  await calls.call('start');
  // The first sync runs either completely before the faults, or, in a round that tests it, during them.
  if (isFresh && !plan.isFirstSync) {
    const busy = await waitUntilIdle(fixture, calls, summary);
    if (busy !== null) {
      return { violations: [`The first sync did not finish: ${busy}`], log: fixture.processes.takeLog() };
    }
  }
  await new PlanRunner(fixture, plan, calls, summary).run();
  await endFaults(fixture);
  const found = await verifyControl(fixture, calls, plan);
  const busy = await waitUntilIdle(fixture, calls, summary);
  await fixture.gmail.control('switches', NO_INDEX_LAG);
  await countGmailFaults(fixture, summary);
  const log = fixture.processes.takeLog();
  countLateRuns(log, summary);
  found.push(...(await verify(fixture, calls, plan.round, summary, log)));
  if (busy !== null) return { violations: [`The system did not become idle: ${busy}`, ...found], log };
  // After the comparison with what was delivered, because a reconciliation fixes what it finds missing.
  if (plan.reconciles) found.push(...(await verifyReconciliation(fixture, calls)));
  if ((plan.round + 1) % ROUNDS_PER_FIXTURE === 0)
    found.push(...(await verifyCursorCatchesUp(fixture, calls)));
  return { violations: found, log: [...log, ...fixture.processes.takeLog()] };
}

export function countLateRuns(log: readonly string[], summary: Summary): void {
  const isLate = (line: string) =>
    line.includes('"run_finished"') && line.includes('"outcome":"out_of_time"');
  summary.fault('run ended at its deadline', log.filter(isLate).length);
}

interface Stats {
  readonly faults: { readonly injected: Record<string, number> };
  readonly units: { readonly refusedForConcurrency: number };
  readonly notifications: { readonly dropped: number; readonly redelivered: number };
}

/** Adds the faults that Gmail applied to calls. */
export async function countGmailFaults({ gmail }: Pick<Fixture, 'gmail'>, summary: Summary): Promise<void> {
  const { faults, units, notifications } = await gmail.control<Stats>('stats');
  for (const [name, count] of Object.entries(faults.injected)) summary.fault(`Gmail: ${name}`, count);
  summary.fault('Gmail: too many concurrent calls', units.refusedForConcurrency);
  summary.fault('push lost', notifications.dropped);
  summary.fault('push delivered again', notifications.redelivered);
  await gmail.control('reset-counters', {});
}
