/**
 * The answer of the deployed `status`, judged. For the end of `npm run deploy` and for `npm run doctor -- --deployment`.
 * It sees what the deployment sees itself; Gmail and the database are not asked from here.
 */
import { z } from 'zod';
import { type Finding, fail, ok } from '../doctor/finding.ts';

const FAULT = z.object({ code: z.string(), detail: z.string().nullable(), cure: z.string().nullable() });

/** What of the answer matters here. */
const STATUS = z.object({
  is_running: z.boolean(),
  state: z.string(),
  last_poll_at: z.string().nullable(),
  emails_processed_total: z.number(),
  scheduler: z
    .object({
      job: z.string(),
      state: z.string(),
      agrees: z.boolean().nullable(),
      error: FAULT.nullable(),
    })
    .nullable(),
  advice: z.array(z.string()),
});

export type DeployedStatus = z.infer<typeof STATUS>;

/** They wait for a person. */
const TROUBLED = new Set(['reauth_required', 'access_denied', 'backing_off', 'watch_failing']);

/** @throws {Error} when it is not the answer of this version */
export function readDeployedStatus(json: unknown): DeployedStatus {
  const parsed = STATUS.safeParse(json);
  if (parsed.success) return parsed.data;
  const members = [...new Set(parsed.error.issues.map((issue) => issue.path.join('.') || 'all'))];
  throw new Error(`status answers otherwise than this version does (${members.join(', ')})`);
}

export function judgeStatus(status: DeployedStatus): Finding[] {
  return [stateFinding(status), schedulerFinding(status), ...adviceFindings(status)];
}

function stateFinding({ state, last_poll_at: lastPollAt, emails_processed_total: total }: DeployedStatus) {
  const polled = lastPollAt === null ? 'never polled' : `last poll ${lastPollAt}`;
  const said = `${state}, ${polled}, ${total} emails stored`;
  return TROUBLED.has(state) ? fail('state', said, 'As the advice says.') : ok('state', said);
}

function schedulerFinding(status: DeployedStatus): Finding {
  const { scheduler, is_running: isRunning } = status;
  const name = 'scheduler job';
  if (scheduler === null) {
    return fail(name, 'status knows of none', 'SCHEDULER_JOB is set by Terraform: run `npm run deploy`.');
  }
  if (scheduler.error !== null) return fail(name, scheduler.error.detail ?? '', scheduler.error.cure);
  const said = `${scheduler.state}, and the monitor is ${isRunning ? 'on' : 'off'}`;
  if (scheduler.agrees === true) return ok(name, said);
  // As Terraform makes it: until the first start it ticks, and poll does nothing.
  if (scheduler.state === 'enabled' && !isRunning && status.last_poll_at === null) return ok(name, said);
  const cure =
    scheduler.state === 'missing'
      ? 'Run `npm run deploy`, which makes it.'
      : `POST ${isRunning ? 'start' : 'stop'}, which makes them agree.`;
  return fail(name, said, cure);
}

/** What is advised while it runs is trouble; to who has it stopped, or not set up yet, it is the next thing to do. */
function adviceFindings({ advice, is_running: isRunning, state }: DeployedStatus): Finding[] {
  if (advice.length === 0) return [ok('advice', 'nothing to do')];
  const isTrouble = isRunning || TROUBLED.has(state);
  return advice.map((one) => (isTrouble ? fail('advice', one, null) : ok('advice', one)));
}
