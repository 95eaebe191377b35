/** Calls the deployed `status` with gcloud's identity. */
import type { Status } from '../../shared/schemas/status.ts';
import type { CommandRunner } from './command-runner.ts';
import { callFunction } from './deployed-function.ts';
import { readDeployedStatus } from './deployed-status.ts';
import { type GcloudIdentity, memberOf, readIdentityToken } from './gcloud.ts';
import type { Deployment } from './terraform.ts';

export interface Caller {
  readonly runner: CommandRunner;
  readonly identity: GcloudIdentity;
  readonly retryForSeconds: number;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** @throws {DeployError} */
export async function callStatus(caller: Caller, deployment: Deployment): Promise<Status> {
  const { name, projectId, region, statusUrl: url } = deployment;
  const answer = await callFunction({
    name: 'status',
    url,
    token: await readIdentityToken(caller.runner, caller.identity, url),
    retryForSeconds: caller.retryForSeconds,
    signal: caller.signal,
    onRetry: (reason) => caller.say(`  ${reason}. Retrying.`),
    permissionRemediation:
      `The call needs roles/run.invoker on ${name}-status: add "${memberOf(caller.identity)}" to \`viewers\` ` +
      'in terraform.tfvars. A new grant takes two minutes, sometimes seven or more, to take effect everywhere.',
    logCommand: `gcloud run services logs read ${name}-status --region ${region} --project ${projectId} --limit 50`,
  });
  return readDeployedStatus(answer);
}
