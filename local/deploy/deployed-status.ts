/**
 * The answer of the deployed `status`, judged. For the end of `npm run deploy` and for `npm run doctor -- --deployment`.
 * It sees what the deployment sees itself; Gmail and the database are not asked from here.
 */
import { z } from 'zod';
import { type Finding, fail, ok } from '../doctor/finding.ts';
import { schedulerFinding } from '../doctor/monitor-checks.ts';
import { SEEN_STATUS } from '../doctor/seen-status.ts';

/** What of the answer matters here. */
const STATUS = SEEN_STATUS.extend({ advice: z.array(z.string()) });

export type DeployedStatus = z.infer<typeof STATUS>;

/** They wait for a person. */
export const TROUBLED: ReadonlySet<string> = new Set([
  'reauth_required',
  'access_denied',
  'backing_off',
  'watch_failing',
]);

/** @throws {Error} when it is not the answer of this version */
export function readDeployedStatus(json: unknown): DeployedStatus {
  const parsed = STATUS.safeParse(json);
  if (parsed.success) return parsed.data;
  const members = [...new Set(parsed.error.issues.map((issue) => issue.path.join('.') || 'all'))];
  throw new Error(`status answers otherwise than this version does (${members.join(', ')})`);
}

export function judgeStatus(status: DeployedStatus): Finding[] {
  return [stateFinding(status), jobFinding(status), ...adviceFindings(status)];
}

function stateFinding({ state, last_poll_at: lastPollAt, emails_processed_total: total }: DeployedStatus) {
  const polled = lastPollAt === null ? 'never polled' : `last poll ${lastPollAt.toISOString()}`;
  const said = `${state}, ${polled}, ${total} emails stored`;
  return TROUBLED.has(state) ? fail('state', said, 'As the advice says.') : ok('state', said);
}

/** A deployment has always one. */
export function jobFinding(status: DeployedStatus): Finding {
  if (status.scheduler !== null) return schedulerFinding(status, 'Run `npm run deploy`, which makes it.');
  return fail(
    'scheduler_job',
    'status knows of none',
    'SCHEDULER_JOB is set by Terraform: run `npm run deploy`.',
  );
}

/** What is advised while it runs is trouble; to who has it stopped, or not set up yet, it is the next thing to do. */
function adviceFindings({ advice, is_running: isRunning, state }: DeployedStatus): Finding[] {
  if (advice.length === 0) return [ok('advice', 'nothing to do')];
  const isTrouble = isRunning || TROUBLED.has(state);
  return advice.map((one) => (isTrouble ? fail('advice', one, null) : ok('advice', one)));
}
