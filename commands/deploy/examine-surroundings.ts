/** What stands around the deployed functions, as Google's REST APIs show it. By the names that `terraform/` gives. */
import { z } from 'zod';
import type { Environment } from '../../shared/config.ts';
import { type Finding, fail, ok, unseen, warn } from '../doctor/finding.ts';
import { checkPubSub } from '../doctor/pubsub-checks.ts';
import { emulatorOf, type GoogleApi } from './google-api.ts';
import type { Deployment } from './terraform.ts';

const REDEPLOY = 'Run `npm run deploy`, which makes it as it was.';
const AUTHORIZE = 'npm run authorize -- --client-secret client_secret.json --secret-manager';
const SECRETS = ['client-id', 'client-secret', 'refresh-token'];
/** The default; the deadlines that Terraform makes follow the budget. */
const RUN_BUDGET_SECONDS = 50;

export async function* examineSurroundings(
  api: GoogleApi,
  deployment: Deployment,
  env: Environment,
): AsyncGenerator<Finding> {
  const { name, projectId } = deployment;
  yield await secretsFinding(api, deployment);
  yield await schedulerTargetFinding(api, deployment);
  yield* await checkPubSub({
    topic: `projects/${projectId}/topics/${name}-gmail`,
    subscription: `projects/${projectId}/subscriptions/${name}-gmail-push`,
    endpoint: deployment.urls['gmail-push'] ?? null,
    runBudgetSeconds: RUN_BUDGET_SECONDS,
    isEmulated: emulatorOf('pubsub', env) !== null,
    cureOfMissing: REDEPLOY,
    get: async (path) => await api.get('pubsub', path),
  });
}

const VERSION = z.object({ name: z.string(), state: z.string() });

/** Whether they are there, never what is in them. */
async function secretsFinding(api: GoogleApi, { name, projectId }: Deployment): Promise<Finding> {
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
        const remediation = `gcloud secrets versions enable ${number} --secret ${secret} --project ${projectId}; or ${AUTHORIZE}`;
        return fail(
          'secrets',
          `version ${number} of ${secret}, the latest, is ${version.state}`,
          remediation,
        );
      }
      // As Terraform makes it: a line break.
      if (number === '1')
        return warn('secrets', `${secret} has only its first version, which is empty`, AUTHORIZE);
      versions.push(`${part} ${number}`);
    }
    return ok('secrets', `latest versions: ${versions.join(', ')}`);
  } catch (error) {
    return unseen('secrets', error);
  }
}

const JOB = z.object({
  httpTarget: z.object({ uri: z.string(), oidcToken: z.object({}).optional() }).optional(),
  /** Of the last attempt; empty or without a code when it went well. */
  status: z.object({ code: z.number().optional(), message: z.string().optional() }).optional(),
  lastAttemptTime: z.string().optional(),
});

/** Whether its job calls the function that is deployed, and what it got the last time. */
async function schedulerTargetFinding(api: GoogleApi, deployment: Deployment): Promise<Finding> {
  const { name, projectId, region, urls } = deployment;
  const finding = 'scheduler_target';
  const job = `projects/${projectId}/locations/${region}/jobs/${name}-poll`;
  try {
    const answer = await api.get('cloudscheduler', `v1/${job}`);
    if (answer === null) return fail(finding, `${job} does not exist`, REDEPLOY);
    const { httpTarget, status, lastAttemptTime } = JOB.parse(answer);
    const uri = httpTarget?.uri ?? 'nothing';
    if (urls['poll'] !== undefined && withoutSlash(uri) !== withoutSlash(urls['poll']))
      return fail(finding, `${job} calls ${uri}, not ${urls['poll']}`, REDEPLOY);
    if (status?.code) {
      const why = status.message ? `: ${status.message}` : '';
      const remediation =
        status.code === 7 || status.code === 16
          ? `Its invoker may not call poll. ${REDEPLOY}`
          : `gcloud run services logs read ${name}-poll --region ${region} --project ${projectId} --limit 50`;
      return warn(
        finding,
        `its last call (${lastAttemptTime ?? 'at an unknown time'}) failed, code ${status.code}${why}`,
        remediation,
      );
    }
    const last = lastAttemptTime === undefined ? 'never called' : `called last at ${lastAttemptTime}`;
    return ok(finding, `${uri}, ${last}`);
  } catch (error) {
    return unseen(finding, error);
  }
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
