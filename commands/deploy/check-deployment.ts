/**
 * `npm run doctor -- --deployment`: checks what Terraform has deployed, found by its outputs. Google's REST APIs show the
 * resources around the functions, and the deployed `status` shows what only the functions can see. For the rest, a line
 * says how to check it. Changes nothing.
 */
import type { Environment } from '../../shared/config.ts';
import type { Status } from '../../shared/schemas/status.ts';
import {
  attempt,
  type CheckResult,
  fail,
  failure,
  info,
  ok,
  skip,
  unknown,
  warn,
} from '../doctor/check-result.ts';
import { compareClocks } from '../doctor/clock-check.ts';
import { publishingStatusHelp } from '../doctor/gmail-checks.ts';
import { checkCycles, checkMailboxes, firstMailbox } from '../doctor/monitor-checks.ts';
import { defaultToken } from '../doctor/pubsub-access.ts';
import { checkLastPush, checkWatch } from '../doctor/push-checks.ts';
import { Interrupted, type Shutdown } from '../support/shutdown-signal.ts';
import { callStatus } from './call-status.ts';
import { checkGoogleResources, topicOf } from './check-google-resources.ts';
import { CommandRunner } from './command-runner.ts';
import { AUTHORIZE_COMMAND, checkAdvice, checkJob } from './deployed-status.ts';
import { type GcloudIdentity, readAccessToken, requireIdentity } from './gcloud.ts';
import { GoogleApi } from './google-api.ts';
import { type Deployment, findDeployment } from './terraform.ts';

const HOW_TO_CHECK_INSIDE =
  'Start cloud-sql-proxy as in `npm run backfill -- --help`, set the three GMAIL_ variables, and run: npm run doctor';
const VIEW_PERMISSIONS =
  'The account needs roles/viewer on the project, and roles/iam.securityReviewer for the grant on the topic.';
/** Checks that need the database or the Gmail credentials. */
const INSIDE_CHECKS = ['migrations', 'grants', 'history_cursor', 'quota'];

/** @param root the project's folder */
export async function* checkDeployment(
  root: string,
  env: Environment,
  shutdown: Shutdown,
): AsyncGenerator<CheckResult> {
  const runner = new CommandRunner(root, env, shutdown);
  const deployment = await tryCheck('deployment', async () => await findDeployment(runner));
  if ('failure' in deployment) yield deployment.failure;
  else {
    const { name, projectId, region } = deployment.value;
    yield ok('deployment', `${name} in ${projectId}, ${region}`);
  }
  const identity = await tryCheck('login', async () => await requireIdentity(runner));
  if ('failure' in identity) yield identity.failure;
  else yield ok('login', identity.value.impersonated ?? identity.value.account);
  if ('failure' in deployment) {
    yield skip('the_rest', 'not checked: the deployment is unknown');
    return;
  }
  const { signal } = shutdown;
  if ('failure' in identity) yield skip('status', 'not checked: it needs the login');
  else yield* checkThroughStatus(runner, { identity: identity.value, deployment: deployment.value, signal });
  yield* checkThroughGoogle(runner, { deployment: deployment.value, env, signal });
}

interface Target {
  readonly deployment: Deployment;
  readonly signal: AbortSignal;
}

async function* checkThroughStatus(
  runner: CommandRunner,
  { identity, deployment, signal }: Target & { readonly identity: GcloudIdentity },
): AsyncGenerator<CheckResult> {
  const caller = { runner, identity, retryForSeconds: 0, signal, say: () => undefined };
  const status = await tryCheck('status', async () => await callStatus(caller, deployment));
  if ('failure' in status) {
    yield status.failure;
    yield skip('monitor', 'not checked: it needs status');
    return;
  }
  yield ok('status', `answers at ${deployment.statusUrl}`);
  yield* checkReportedStatus(status.value, topicOf(deployment));
}

function* checkReportedStatus(status: Status, topic: string | null): Generator<CheckResult> {
  yield ok('database', 'reachable: status reads from it');
  for (const name of INSIDE_CHECKS)
    yield info(name, 'can be checked only with database access', HOW_TO_CHECK_INSIDE);
  yield checkCredentials(status);
  yield info(
    'publishing_status',
    'cannot be checked from here; with status "Testing", a token expires 7 days after the consent',
    publishingStatusHelp(null),
  );
  yield checkJob(status);
  if (status.state !== 'not_configured') {
    yield checkCycles(status);
    yield* checkMailboxes(status);
    const mailbox = firstMailbox(status);
    const watch = checkWatch(status, mailbox, topic);
    yield watch;
    if (mailbox !== null) yield checkLastPush(mailbox, watch, undefined);
  }
  // Without credentials, the only advice is that of the check above.
  if (status.state !== 'not_configured') yield* checkAdvice(status, warn);
}

/** From the deployment's own calls to Google, in each run. */
function checkCredentials({ state, advice, last_poll_at: lastAt }: Status): CheckResult {
  const name = 'credentials';
  if (state === 'not_configured') return fail(name, advice[0] ?? 'not set', AUTHORIZE_COMMAND);
  if (state === 'reauth_required') return fail(name, 'Google rejects the refresh token', AUTHORIZE_COMMAND);
  if (state === 'access_denied')
    return fail(name, advice[0] ?? 'Google rejects the client or the mailbox', AUTHORIZE_COMMAND);
  if (lastAt === null)
    return info(name, 'set, but not used yet', 'Call POST start or POST poll-now, then check again.');
  return ok(name, 'Google accepted them in the last run');
}

async function* checkThroughGoogle(
  runner: CommandRunner,
  { deployment, env, signal }: Target & { readonly env: Environment },
): AsyncGenerator<CheckResult> {
  let token: string;
  try {
    token = await readAccessToken(runner).catch(async () => await defaultToken());
  } catch (error) {
    if (error instanceof Interrupted) throw error;
    for (const name of ['secrets', 'scheduler_target', 'topic', 'publisher', 'subscription', 'clock'])
      yield unknown(name, error);
    return;
  }
  const api = new GoogleApi({
    token,
    env,
    signal,
    retryForSeconds: 0,
    permissionRemediation: VIEW_PERMISSIONS,
  });
  yield* checkGoogleResources(api, deployment, env);
  yield* await attempt('clock', async () => compareClocks({ Google: api.clock }));
}

async function tryCheck<Result>(
  name: string,
  work: () => Promise<Result>,
): Promise<{ readonly value: Result } | { readonly failure: CheckResult }> {
  try {
    return { value: await work() };
  } catch (error) {
    if (error instanceof Interrupted) throw error;
    const isOwn = error instanceof Error && error.constructor === Error;
    return { failure: isOwn ? fail(name, error.message, 'Run `npm run deploy`.') : failure(name, error) };
  }
}
