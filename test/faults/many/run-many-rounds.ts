/** Runs rounds with many mailboxes one after another, and sums up their results per mailbox. */
import { buildFunctions } from '../../helpers/child-processes.ts';
import { Calls } from '../calls.ts';
import { describe } from '../events.ts';
import { ROUNDS_PER_FIXTURE } from '../plan.ts';
import { PlanRunner } from '../plan-runner.ts';
import { FaultPostgres } from '../postgres.ts';
import { summaryText } from '../report.ts';
import { countGmailFaults, countLateRuns } from '../round.ts';
import { Summary } from '../summary.ts';
import { verifyReconciliation } from '../verify-reconciliation.ts';
import { type ManyFixture, openManyFixture } from './many-fixture.ts';
import { type ManyPlan, makeManyPlan } from './many-plan.ts';
import { ManyRunner } from './many-runner.ts';
import { verifyCursorsCatchUp, verifyMany, verifyManyControl, verifyPause } from './verify-many.ts';
import { endManyFaults, waitUntilAllIdle } from './wait-until-all-idle.ts';

export interface ManyRoundsOptions {
  readonly seed: number;
  readonly mailboxes: number;
  /** The number of the first round. */
  readonly first: number;
  readonly rounds: number;
  /** No round starts after this many milliseconds; null = no limit. */
  readonly forMs: number | null;
  /** Stops after the first round with a violation. */
  readonly bail: boolean;
  /** Prints plan and log of every round, not only of failed ones. */
  readonly verbose?: boolean;
  readonly say: (line: string) => void;
  readonly isCancelled?: () => boolean;
}

export interface ManySummary {
  readonly total: Summary;
  readonly mailboxes: readonly Summary[];
}

/** Log lines that do not help to find a cause. */
const ROUTINE_LINE =
  /"event":"(run_skipped|mailboxes_dispatched)"|: (Serving function|Function:|Signature type:)/;

export async function runManyRounds(options: ManyRoundsOptions): Promise<ManySummary> {
  const { first, mailboxes: count, rounds, say, seed } = options;
  const total = new Summary();
  const mailboxes = Array.from({ length: count }, () => new Summary());
  const startedAt = performance.now();
  const dist = buildFunctions();
  const postgres = await FaultPostgres.start();
  let fixture: ManyFixture | null = null;
  try {
    for (let round = first; round < first + rounds; round += 1) {
      const isTimeUp = options.forMs !== null && performance.now() - startedAt > options.forMs;
      if (isTimeUp || options.isCancelled?.() === true) break;
      if (fixture !== null && round % ROUNDS_PER_FIXTURE === 0) {
        await fixture.close();
        fixture = null;
      }
      const plan = makeManyPlan(seed, round, count);
      const roundStartedAt = performance.now();
      const isFresh = fixture === null;
      fixture ??= await openManyFixture({ postgres, dist, seed, round, mailboxes: count });
      const log: string[] = [];
      const violations = await runManyRound(fixture, plan, { total, mailboxes }, { isFresh, log }).catch(
        (error: unknown) => [`The round failed: ${error instanceof Error ? error.stack : String(error)}`],
      );
      log.push(...fixture.processes.takeLog());
      total.rounds += 1;
      const seconds = ((performance.now() - roundStartedAt) / 1_000).toFixed(1);
      const emails = plan.mailboxes.reduce((sum, { mails }) => sum + mails.length, 0);
      const result = violations.length === 0 ? 'ok' : `${violations.length} VIOLATIONS`;
      say(`round ${round}: ${emails} emails, ${seconds} s, ${result}: ${plan.kinds.join(' ')}`);
      if (violations.length > 0 || options.verbose === true) say(reportOf(options, plan, violations, log));
      if (violations.length === 0) continue;
      total.violations += violations.length;
      if (options.bail) break;
      // A violation must not affect the next rounds.
      await fixture.close();
      fixture = null;
    }
  } finally {
    await fixture?.close();
    await postgres.close();
  }
  addUp(total, mailboxes);
  say(manySummaryText({ total, mailboxes }, performance.now() - startedAt));
  return { total, mailboxes };
}

/**
 * @param at `isFresh`: no run has seen the mailboxes yet; `log` gets the log lines of the functions
 * @returns the violations
 */
async function runManyRound(
  fixture: ManyFixture,
  plan: ManyPlan,
  summary: ManySummary,
  at: { readonly isFresh: boolean; readonly log: string[] },
): Promise<string[]> {
  const calls = new Calls(fixture.processes);
  await calls.call('start');
  // The first sync runs either completely before the faults, or, in a round that tests it, during them.
  if (at.isFresh && plan.mailboxes[0]?.isFirstSync === false) {
    const busy = await waitUntilAllIdle(fixture, calls, summary.total);
    if (busy !== null) return [`The first sync did not finish: ${busy}`];
  }
  await Promise.all([
    new ManyRunner(fixture, summary.mailboxes, summary.total).run(plan.events),
    ...fixture.mailboxes.map(async (mailbox) => {
      const [own, counters] = [plan.mailboxes[mailbox.number], summary.mailboxes[mailbox.number]];
      if (own !== undefined && counters !== undefined)
        await new PlanRunner(mailbox, own, calls, counters).run();
    }),
  ]);
  await endManyFaults(fixture);
  const found = await verifyManyControl(fixture, calls, plan.lastVerb);
  const busy = await waitUntilAllIdle(fixture, calls, summary.total);
  for (const mailbox of fixture.mailboxes) {
    const counters = summary.mailboxes[mailbox.number];
    if (counters !== undefined) await countGmailFaults(mailbox, counters);
  }
  const lines = fixture.processes.takeLog();
  at.log.push(...lines);
  countLateRuns(lines, summary.total);
  for (const { mailbox, text } of await verifyMany(fixture, calls, plan.round, summary.mailboxes, lines)) {
    const counters = mailbox === null ? undefined : summary.mailboxes[mailbox];
    if (counters !== undefined) counters.violations += 1;
    found.push(text);
  }
  if (busy !== null) return [`The system did not become idle: ${busy}`, ...found];
  const paused = plan.paused === null ? undefined : fixture.mailboxes[plan.paused];
  if (paused !== undefined) {
    const texts = await verifyPause(fixture, calls, paused);
    found.push(...texts.map((text) => `mailbox ${paused.number}: ${text}`));
  }
  const reconciled = plan.reconciled === null ? undefined : fixture.mailboxes[plan.reconciled];
  if (reconciled !== undefined) {
    const texts = await verifyReconciliation(reconciled, calls, reconciled.address);
    found.push(...texts.map((text) => `mailbox ${reconciled.number}: ${text}`));
  }
  if ((plan.round + 1) % ROUNDS_PER_FIXTURE === 0)
    found.push(...(await verifyCursorsCatchUp(fixture, calls)));
  return found;
}

function reportOf(
  { mailboxes, seed }: ManyRoundsOptions,
  plan: ManyPlan,
  violations: readonly string[],
  log: readonly string[],
): string {
  return [
    ...violations.map((violation) => `  VIOLATION ${violation}`),
    `  repeat: npm run faults -- --mailboxes ${mailboxes} --seed ${seed} --first ${plan.round} --rounds 1`,
    ...plan.events.map((event) => `    all: ${JSON.stringify(event)}`),
    ...plan.mailboxes.flatMap(({ events }, n) => events.map((event) => `    ${n}: ${describe(event)}`)),
    ...log.filter((line) => !ROUTINE_LINE.test(line)).map((line) => `    log ${line}`),
  ].join('\n');
}

/** Adds the counters of the mailboxes to the total, which has the faults and violations of the deployment. */
function addUp(total: Summary, mailboxes: readonly Summary[]): void {
  for (const one of mailboxes) {
    for (const name of ['delivered', 'stored', 'gone', 'ignored', 'lost', 'duplicated'] as const)
      total[name] += one[name];
    for (const [name, count] of one.faults) total.fault(name, count);
  }
}

function manySummaryText({ mailboxes, total }: ManySummary, ms: number): string {
  return [
    ...mailboxes.map(
      (one, number) =>
        `mailbox ${String(number).padStart(2)}: faults ${one.faultCount}, delivered ${one.delivered}, stored ${one.stored}, ` +
        `gone ${one.gone}, ignored ${one.ignored}, lost ${one.lost}, stored twice ${one.duplicated}, violations ${one.violations}`,
    ),
    summaryText(total, ms),
  ].join('\n');
}
