/** The `is_running` flag and the scheduler job agree after any interleaving of `start` and `stop`. */
import type { Calls } from './calls.ts';
import type { Fixture } from './fixture.ts';

/**
 * To be called when the faults have ended.
 *
 * @param verb called alone at the end: it makes the two agree, whatever failed before
 * @returns the violations
 */
export async function verifyControl(
  fixture: Fixture,
  calls: Calls,
  verb: 'start' | 'stop',
): Promise<string[]> {
  await calls.controlSettled();
  const violations: string[] = [];
  if (calls.failedControlCount === 0) {
    const { flag, job } = await readBoth(fixture);
    if (flag !== job)
      violations.push(`every start and stop succeeded, is_running is ${flag}, the job ${job}`);
  }
  const answer = await calls.call(verb);
  const { flag, job } = await readBoth(fixture);
  if (answer?.status !== 200) violations.push(`${verb} answers ${answer?.status} after the faults`);
  if (flag !== (verb === 'start') || job !== flag) {
    violations.push(`after ${verb} alone is_running is ${flag}, the job ${job}`);
  }
  return violations;
}

async function readBoth({ db, scheduler }: Fixture): Promise<{ flag: boolean; job: boolean }> {
  const [row] = await db.rows('select is_running from email_monitor_status');
  return { flag: row.is_running, job: scheduler.isEnabled };
}
