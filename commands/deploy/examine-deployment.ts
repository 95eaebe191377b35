/**
 * `npm run doctor -- --deployment`: what Terraform has deployed, found by its outputs. Three witnesses: Google's REST
 * APIs for what stands around the functions, the deployed `status` for what only the inside sees, and for the rest a
 * word on how to see it. Changes nothing.
 */
import type { Environment } from '../../shared/config.ts';
import { UNHEALTHY_STATES } from '../../shared/schemas/state.ts';
import type { Status } from '../../shared/schemas/status.ts';
import { judgeClocks } from '../doctor/clock-check.ts';
import { attempt, type Finding, fail, failure, note, ok, skip, unseen, warn } from '../doctor/finding.ts';
import { howToSeeStatus } from '../doctor/gmail-checks.ts';
import { currentOf, cyclesFinding, mailboxFindings } from '../doctor/monitor-checks.ts';
import { defaultToken } from '../doctor/pubsub-access.ts';
import { lastPushFinding, watchFinding } from '../doctor/push-checks.ts';
import { callStatus } from './calls.ts';
import { jobFinding } from './deployed-status.ts';
import { examineSurroundings } from './examine-surroundings.ts';
import { findLogin, type Login, readAccessToken } from './gcloud.ts';
import { GoogleApi } from './google-api.ts';
import { Interrupted, listenForInterruption } from './interruption.ts';
import { Programs } from './programs.ts';
import { type Deployment, findDeployment } from './terraform.ts';

const AUTHORIZE = 'npm run authorize -- --client-secret client_secret.json --secret-manager';
const FROM_INSIDE =
  'Beside cloud-sql-proxy as `npm run backfill -- --help` says, with the three GMAIL_ variables set: npm run doctor';
const VIEWING =
  'Whoever looks needs roles/viewer on the project, and roles/iam.securityReviewer for the grant on the topic.';
/** Nobody sees these from outside, whatever they may. */
const INSIDE = ['migrations', 'grants', 'history_cursor', 'quota'];

export async function* examineDeployment(root: string, env: Environment): AsyncGenerator<Finding> {
  const interruption = listenForInterruption();
  const programs = new Programs(root, env, interruption);
  const deployment = await found('deployment', async () => await findDeployment(programs));
  if ('finding' in deployment) yield deployment.finding;
  else {
    const { name, projectId, region } = deployment.value;
    yield ok('deployment', `${name} in ${projectId}, ${region}`);
  }
  const login = await found('login', async () => await findLogin(programs));
  if ('finding' in login) yield login.finding;
  else yield ok('login', login.value.impersonated ?? login.value.account);
  if ('finding' in deployment) {
    yield skip('the_rest', 'not looked at: nothing says what is deployed');
    return;
  }
  if ('finding' in login) yield skip('status', 'not looked at: it needs the login');
  else
    yield* examineStatus(programs, {
      login: login.value,
      deployment: deployment.value,
      signal: interruption.signal,
    });
  yield* examineGoogle(programs, { deployment: deployment.value, env, signal: interruption.signal });
}

interface Place {
  readonly deployment: Deployment;
  readonly signal: AbortSignal;
}

async function* examineStatus(
  programs: Programs,
  { login, deployment, signal }: Place & { readonly login: Login },
): AsyncGenerator<Finding> {
  const caller = { programs, login, patienceSeconds: 0, signal, say: () => undefined };
  const status = await found('status', async () => await callStatus(caller, deployment));
  if ('finding' in status) {
    yield status.finding;
    yield skip('monitor', 'not looked at: only status sees it');
    return;
  }
  yield ok('status', `answers at ${deployment.statusUrl}`);
  yield* judge(status.value, `projects/${deployment.projectId}/topics/${deployment.name}-gmail`);
}

function* judge(status: Status, topic: string): Generator<Finding> {
  yield ok('database', 'status answers out of it');
  for (const name of INSIDE) yield note(name, 'only to be seen from inside', FROM_INSIDE);
  yield credentialsFinding(status);
  yield note(
    'publishing_status',
    'not to be seen from here: in status "Testing" a token dies 7 days after the consent',
    howToSeeStatus(null),
  );
  yield jobFinding(status);
  if (status.state !== 'not_configured') {
    yield cyclesFinding(status);
    yield* mailboxFindings(status);
    const watch = watchFinding(status, topic);
    yield watch;
    const mailbox = currentOf(status);
    if (mailbox !== null) yield lastPushFinding(mailbox, watch, undefined);
  }
  yield* adviceFindings(status);
}

/** Google is asked by the deployment itself, at each cycle. */
function credentialsFinding({ state, advice, last_poll_at: lastAt }: Status): Finding {
  const name = 'credentials';
  if (state === 'not_configured') return fail(name, advice[0] ?? 'not set', AUTHORIZE);
  if (state === 'reauth_required') return fail(name, 'Google refuses the refresh token', AUTHORIZE);
  if (state === 'access_denied')
    return fail(name, advice[0] ?? 'Google refuses the client or the mailbox', AUTHORIZE);
  if (lastAt === null)
    return note(name, 'set, and not used yet', 'POST start, or POST poll-now; then look again.');
  return ok(name, 'Google took them at the last cycle');
}

/** What is advised while it runs is trouble; to who has it stopped, it is the next thing to do. */
function adviceFindings({ advice, is_running: isRunning, state }: Status): Finding[] {
  if (state === 'not_configured') return [];
  if (advice.length === 0) return [ok('advice', 'nothing to do')];
  const isTrouble = isRunning || UNHEALTHY_STATES.has(state);
  return advice.map((one) => (isTrouble ? warn('advice', one, null) : ok('advice', one)));
}

async function* examineGoogle(
  programs: Programs,
  { deployment, env, signal }: Place & { readonly env: Environment },
): AsyncGenerator<Finding> {
  let token: string;
  try {
    token = await readAccessToken(programs).catch(async () => await defaultToken());
  } catch (error) {
    if (error instanceof Interrupted) throw error;
    for (const name of ['secrets', 'scheduler_target', 'topic', 'publisher', 'subscription', 'clock'])
      yield unseen(name, error);
    return;
  }
  const api = new GoogleApi({ token, env, signal, patienceSeconds: 0, cureOfRefusal: VIEWING });
  yield* examineSurroundings(api, deployment, env);
  yield* await attempt('clock', async () => judgeClocks({ Google: api.clock }));
}

async function found<Result>(
  name: string,
  work: () => Promise<Result>,
): Promise<{ readonly value: Result } | { readonly finding: Finding }> {
  try {
    return { value: await work() };
  } catch (error) {
    if (error instanceof Interrupted) throw error;
    const isOurs = error instanceof Error && error.constructor === Error;
    return { finding: isOurs ? fail(name, error.message, 'Run `npm run deploy`.') : failure(name, error) };
  }
}
