/** One round: its events, then a wait until nothing is pending, then the comparison with what was delivered. */
import { Calls } from './calls.ts';
import { verifyControl } from './control.ts';
import type { Fixture } from './fixture.ts';
import { PROMPT } from './mailbox.ts';
import { type Plan, ROUNDS_PER_FIXTURE } from './plan.ts';
import { PlanRunner } from './plan-runner.ts';
import { reconcile } from './reconcile.ts';
import type { Summary } from './summary.ts';
import { verify } from './verify.ts';
import { catchesUp, endFaults, waitUntilIdle } from './wait-until-idle.ts';

export interface RoundEnd {
  /** Empty when everything is as it must be. */
  readonly violations: readonly string[];
  /** What the functions wrote. */
  readonly log: readonly string[];
}

/** @param isFresh no run has seen the mailbox of this fixture yet */
export async function playRound(
  fixture: Fixture,
  plan: Plan,
  summary: Summary,
  isFresh: boolean,
): Promise<RoundEnd> {
  const calls = new Calls(fixture.processes);
  await calls.call('start');
  // A mailbox is met for the first time with its faults, or before them: never somewhere in between.
  if (isFresh && !plan.isBirth) {
    const busy = await waitUntilIdle(fixture, calls, summary);
    if (busy !== null) {
      return { violations: [`The first sync did not end: ${busy}`], log: fixture.processes.takeLog() };
    }
  }
  await new PlanRunner(fixture, plan, calls, summary).play();
  await endFaults(fixture);
  const found = await verifyControl(fixture, calls, plan);
  const busy = await waitUntilIdle(fixture, calls, summary);
  await fixture.gmail.control('switches', PROMPT);
  await countStruck(fixture, summary);
  const log = fixture.processes.takeLog();
  countCutRuns(log, summary);
  found.push(...(await verify(fixture, calls, plan.round, summary, log)));
  if (busy !== null) return { violations: [`It did not come to rest: ${busy}`, ...found], log };
  // After the comparison with what was delivered: a reconciliation mends what it finds missing.
  if (plan.reconciles) found.push(...(await reconcile(fixture, calls)));
  if ((plan.round + 1) % ROUNDS_PER_FIXTURE === 0) found.push(...(await catchesUp(fixture, calls)));
  return { violations: found, log: [...log, ...fixture.processes.takeLog()] };
}

function countCutRuns(log: readonly string[], summary: Summary): void {
  const isCut = (line: string) => line.includes('"run_finished"') && line.includes('"outcome":"out_of_time"');
  summary.fault('run ended by its deadline', log.filter(isCut).length);
}

interface Stats {
  readonly faults: { readonly struck: Record<string, number> };
  readonly units: { readonly refusedForConcurrency: number };
  readonly notifications: { readonly dropped: number; readonly redelivered: number };
}

/** The faults of Gmail that really met a call. */
async function countStruck({ gmail }: Fixture, summary: Summary): Promise<void> {
  const { faults, units, notifications } = await gmail.control<Stats>('stats');
  for (const [name, count] of Object.entries(faults.struck)) summary.fault(`Gmail: ${name}`, count);
  summary.fault('Gmail: too many calls at once', units.refusedForConcurrency);
  summary.fault('push lost', notifications.dropped);
  summary.fault('push delivered again', notifications.redelivered);
  await gmail.control('reset-counters', {});
}
