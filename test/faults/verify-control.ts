/** Checks that the `is_running` flag, the scheduler job and Gmail's watch agree after concurrent `start` and `stop` calls. */
import type { Calls } from './calls.ts';
import type { Fixture } from './fixture.ts';
import type { KindName } from './kinds.ts';
import type { Plan } from './plan.ts';

/** With only these kinds of fault, every watch call to Gmail succeeds and no watch expires. */
const WATCH_PRESERVING: ReadonlySet<KindName> = new Set([
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
 * Call this after the faults have ended. Finally calls one verb on its own, which must make flag and job agree even if
 * earlier calls failed.
 *
 * @returns the violations
 */
export async function verifyControl(fixture: Fixture, calls: Calls, plan: Plan): Promise<string[]> {
  await calls.whenControlIdle();
  const violations: string[] = [];
  if (calls.failedControlCount === 0) {
    const { flag, job, isPublishing, topic } = await read(fixture);
    if (flag !== job)
      violations.push(
        `all start and stop calls succeeded, but is_running is ${flag} and the job is enabled: ${job}`,
      );
    const isWatchKept = plan.kinds.every((kind) => WATCH_PRESERVING.has(kind));
    if (flag && isWatchKept && topic !== null && !isPublishing) {
      violations.push('is_running is true and the database has a watch, but Gmail has none');
    }
  }
  const verb = plan.lastVerb;
  const answer = await calls.call(verb);
  const { flag, job } = await read(fixture);
  if (answer?.status !== 200) violations.push(`${verb} responds with ${answer?.status} after the faults`);
  if (flag !== (verb === 'start') || job !== flag) {
    violations.push(`after a single ${verb}, is_running is ${flag} and the job is enabled: ${job}`);
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
