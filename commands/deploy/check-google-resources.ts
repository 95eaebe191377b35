/** Checks the resources around the deployed functions with Google's REST APIs, by the names that `terraform/` gives them. */
import { z } from 'zod';
import type { Environment } from '../../shared/config.ts';
import { type CheckResult, fail, ok, skip, unknown, warn } from '../doctor/check-result.ts';
import { checkPubSub } from '../doctor/pubsub-checks.ts';
import { AUTHORIZE_COMMAND } from './deployed-status.ts';
import { emulatorOf, type GoogleApi } from './google-api.ts';
import type { Deployment } from './terraform.ts';

const REDEPLOY = 'Run `npm run deploy`, which restores it.';
const SECRETS = ['client-id', 'client-secret', 'refresh-token'];
/** The default. Terraform derives the deadlines from it. */
const RUN_BUDGET_SECONDS = 50;

export async function* checkGoogleResources(
  api: GoogleApi,
  deployment: Deployment,
  env: Environment,
): AsyncGenerator<CheckResult> {
  const { name, projectId } = deployment;
  yield await checkSecrets(api, deployment);
  yield await checkSchedulerTarget(api, deployment);
  const topic = topicOf(deployment);
  if (topic === null) {
    for (const check of ['topic', 'publisher', 'subscription']) yield skip(check, 'polling only');
    return;
  }
  yield* await checkPubSub({
    topic,
    subscription: `projects/${projectId}/subscriptions/${name}-gmail-push`,
    endpoint: deployment.urls['gmail-push'] ?? null,
    runBudgetSeconds: RUN_BUDGET_SECONDS,
    isEmulated: emulatorOf('pubsub', env) !== null,
    missingRemediation: REDEPLOY,
    get: async (path) => await api.get('pubsub', path),
  });
}

/** @returns `projects/P/topics/T`; null: deployed with `push = false`, so without gmail-push */
export function topicOf({ name, projectId, urls }: Deployment): string | null {
  return urls['gmail-push'] === undefined ? null : `projects/${projectId}/topics/${name}-gmail`;
}

const VERSION = z.object({ name: z.string(), state: z.string() });

/** Reads the state of the versions, never their values. */
async function checkSecrets(api: GoogleApi, { name, projectId }: Deployment): Promise<CheckResult> {
  const versions: string[] = [];
  try {
    for (const part of SECRETS) {
      const secret = `${name}-gmail-${part}`;
      const answer = await api.get(
        'secretmanager',
        `v1/projects/${projectId}/secrets/${secret}/versions/latest`,
      );
      if (answer === null) return fail('secrets', `${secret} does not exist, or has no version`, REDEPLOY);
      const version = VERSION.parse(answer);
      const number = version.name.split('/').at(-1) ?? '';
      if (version.state !== 'ENABLED') {
        const remediation = `gcloud secrets versions enable ${number} --secret ${secret} --project ${projectId}; or ${AUTHORIZE_COMMAND}`;
        return fail(
          'secrets',
          `version ${number} of ${secret}, the latest, is ${version.state}`,
          remediation,
        );
      }
      // Terraform creates the first version, which contains a line break only.
      if (number === '1')
        return warn('secrets', `${secret} has only its first version, which is empty`, AUTHORIZE_COMMAND);
      versions.push(`${part} ${number}`);
    }
    return ok('secrets', `latest versions: ${versions.join(', ')}`);
  } catch (error) {
    return unknown('secrets', error);
  }
}

const JOB = z.object({
  httpTarget: z.object({ uri: z.string(), oidcToken: z.object({}).optional() }).optional(),
  /** Of the last attempt; empty or without a code after success. */
  status: z.object({ code: z.number().optional(), message: z.string().optional() }).optional(),
  lastAttemptTime: z.string().optional(),
});

/** Checks that the job calls the deployed function, and the result of its last call. */
async function checkSchedulerTarget(api: GoogleApi, deployment: Deployment): Promise<CheckResult> {
  const { name, projectId, region, urls } = deployment;
  const check = 'scheduler_target';
  const job = `projects/${projectId}/locations/${region}/jobs/${name}-poll`;
  try {
    const answer = await api.get('cloudscheduler', `v1/${job}`);
    if (answer === null) return fail(check, `${job} does not exist`, REDEPLOY);
    const { httpTarget, status, lastAttemptTime } = JOB.parse(answer);
    const uri = httpTarget?.uri ?? 'nothing';
    if (urls['poll'] !== undefined && withoutSlash(uri) !== withoutSlash(urls['poll']))
      return fail(check, `${job} calls ${uri}, not ${urls['poll']}`, REDEPLOY);
    if (status?.code) {
      const reason = status.message ? `: ${status.message}` : '';
      const remediation =
        status.code === 7 || status.code === 16
          ? `The job's invoker may not call poll. ${REDEPLOY}`
          : `gcloud run services logs read ${name}-poll --region ${region} --project ${projectId} --limit 50`;
      return warn(
        check,
        `its last call (${lastAttemptTime ?? 'at an unknown time'}) failed, code ${status.code}${reason}`,
        remediation,
      );
    }
    const last = lastAttemptTime === undefined ? 'never called' : `last called at ${lastAttemptTime}`;
    return ok(check, `${uri}, ${last}`);
  } catch (error) {
    return unknown(check, error);
  }
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
