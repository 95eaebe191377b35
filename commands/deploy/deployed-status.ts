/**
 * Checks the answer of the deployed `status`, for `npm run deploy` and for `npm run doctor -- --deployment`. The answer is
 * what the deployment itself knows; Gmail and the database are not called from here.
 */
import * as z from 'zod/mini';
import { UNHEALTHY_STATES } from '../../shared/schemas/state.ts';
import { type Status, statusSchema } from '../../shared/schemas/status.ts';
import { type CheckResult, fail, ok, type warn } from '../doctor/check-result.ts';
import { checkScheduler } from '../doctor/monitor-checks.ts';

/** Passes the values from Google to Secret Manager, so that no file, shell history or process list contains them. */
export const AUTHORIZE_COMMAND = 'npm run authorize -- --client-secret client_secret.json --secret-manager';

/** @throws {Error} when the answer has the format of another version */
export function readDeployedStatus(json: unknown): Status {
  const parsed = z.safeDecode(statusSchema, json as z.input<typeof statusSchema>);
  if (parsed.success) return parsed.data;
  const members = [...new Set(parsed.error.issues.map((issue) => issue.path.join('.') || 'all'))];
  throw new Error(`status answered in the format of another version (${members.join(', ')})`);
}

export function checkStatus(status: Status): CheckResult[] {
  return [checkState(status), checkJob(status), ...checkAdvice(status, fail)];
}

function checkState({ state, last_poll_at: lastPollAt, emails_processed_total: total }: Status) {
  const polled = lastPollAt === null ? 'never polled' : `last poll ${lastPollAt.toISOString()}`;
  const text = `${state}, ${polled}, ${total} emails stored`;
  return UNHEALTHY_STATES.has(state) ? fail('state', text, 'Follow the advice.') : ok('state', text);
}

/** Every deployment has a scheduler job. */
export function checkJob(status: Status): CheckResult {
  if (status.scheduler !== null) return checkScheduler(status, 'Run `npm run deploy`, which creates it.');
  return fail(
    'scheduler_job',
    'status reports no scheduler job',
    'Run `npm run deploy`: Terraform sets SCHEDULER_JOB.',
  );
}

/**
 * Advice for a running monitor reports a problem. For one that is stopped or not set up, it is the next step.
 *
 * @param problem `warn` where separate checks report the failures
 */
export function checkAdvice(
  { advice, is_running: isRunning, state }: Status,
  problem: typeof fail | typeof warn,
): CheckResult[] {
  if (advice.length === 0) return [ok('advice', 'nothing to do')];
  const isProblem = isRunning || UNHEALTHY_STATES.has(state);
  return advice.map((one) => (isProblem ? problem('advice', one, null) : ok('advice', one)));
}
