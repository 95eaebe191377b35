/**
 * The answer of the deployed `status`, judged. For the end of `npm run deploy` and for `npm run doctor -- --deployment`.
 * It sees what the deployment sees itself; Gmail and the database are not asked from here.
 */
import * as z from 'zod/mini';
import { UNHEALTHY_STATES } from '../../shared/schemas/state.ts';
import { type Status, statusSchema } from '../../shared/schemas/status.ts';
import { type Finding, fail, ok } from '../doctor/finding.ts';
import { schedulerFinding } from '../doctor/monitor-checks.ts';

/** @throws {Error} when it is not the answer of this version */
export function readDeployedStatus(json: unknown): Status {
  const parsed = z.safeDecode(statusSchema, json as z.input<typeof statusSchema>);
  if (parsed.success) return parsed.data;
  const members = [...new Set(parsed.error.issues.map((issue) => issue.path.join('.') || 'all'))];
  throw new Error(`status answers otherwise than this version does (${members.join(', ')})`);
}

export function judgeStatus(status: Status): Finding[] {
  return [stateFinding(status), jobFinding(status), ...adviceFindings(status)];
}

function stateFinding({ state, last_poll_at: lastPollAt, emails_processed_total: total }: Status) {
  const polled = lastPollAt === null ? 'never polled' : `last poll ${lastPollAt.toISOString()}`;
  const said = `${state}, ${polled}, ${total} emails stored`;
  return UNHEALTHY_STATES.has(state) ? fail('state', said, 'As the advice says.') : ok('state', said);
}

/** A deployment has always one. */
export function jobFinding(status: Status): Finding {
  if (status.scheduler !== null) return schedulerFinding(status, 'Run `npm run deploy`, which makes it.');
  return fail(
    'scheduler_job',
    'status knows of none',
    'SCHEDULER_JOB is set by Terraform: run `npm run deploy`.',
  );
}

/** What is advised while it runs is trouble; to who has it stopped, or not set up yet, it is the next thing to do. */
function adviceFindings({ advice, is_running: isRunning, state }: Status): Finding[] {
  if (advice.length === 0) return [ok('advice', 'nothing to do')];
  const isTrouble = isRunning || UNHEALTHY_STATES.has(state);
  return advice.map((one) => (isTrouble ? fail('advice', one, null) : ok('advice', one)));
}
