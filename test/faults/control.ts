/** The `is_running` flag, the scheduler job and Gmail's watch agree after any interleaving of `start` and `stop`. */
import type { Calls } from './calls.ts';
import type { Fixture } from './fixture.ts';
import type { KindName } from './kinds.ts';
import type { Plan } from './plan.ts';

/** In these rounds every call to Gmail for the watch succeeds, and no watch expires. */
const WATCH_KEPT: ReadonlySet<KindName> = new Set([
  'changes',
  'control-races',
  'kills',
  'lag',
  'noise',
  'rename',
  'stop-start',
  'together',
  'trash-behind-lag',
]);

/**
 * To be called when the faults have ended. Calls one verb alone at the end: it makes flag and job agree, whatever failed
 * before.
 *
 * @returns the violations
 */
export async function verifyControl(fixture: Fixture, calls: Calls, plan: Plan): Promise<string[]> {
  await calls.controlSettled();
  const violations: string[] = [];
  if (calls.failedControlCount === 0) {
    const { flag, job, isPublishing, topic } = await read(fixture);
    if (flag !== job)
      violations.push(`every start and stop succeeded, is_running is ${flag}, the job ${job}`);
    const isWatchKept = plan.kinds.every((kind) => WATCH_KEPT.has(kind));
    if (flag && isWatchKept && topic !== null && !isPublishing) {
      violations.push('the monitor is on and believes in a watch that Gmail does not have');
    }
  }
  const verb = plan.lastVerb;
  const answer = await calls.call(verb);
  const { flag, job } = await read(fixture);
  if (answer?.status !== 200) violations.push(`${verb} answers ${answer?.status} after the faults`);
  if (flag !== (verb === 'start') || job !== flag) {
    violations.push(`after ${verb} alone is_running is ${flag}, the job ${job}`);
  }
  return violations;
}

async function read({ db, gmail, scheduler }: Fixture) {
  const [row] = await db.rows(
    'select s.is_running, w.topic from email_monitor_status s left join mailbox_watches w on true',
  );
  const { watch } = await gmail.control<{ watch: { expiresAtMs: number } | null }>('stats');
  return {
    flag: row.is_running as boolean,
    topic: row.topic as string | null,
    job: scheduler.isEnabled,
    isPublishing: watch !== null && watch.expiresAtMs > Date.now(),
  };
}
