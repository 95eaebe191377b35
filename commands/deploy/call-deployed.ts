/** Calls the deployed `migrate` and `status` with gcloud's identity. */
import * as z from 'zod/mini';
import { migrateSchema } from '../../shared/schemas/migrate.ts';
import type { Status } from '../../shared/schemas/status.ts';
import type { CommandRunner } from './command-runner.ts';
import { DeployError } from './deploy-error.ts';
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

/** May run twice. @returns the names of the applied migrations. @throws {DeployError} */
export async function callMigrate(caller: Caller, deployment: Deployment): Promise<string[]> {
  const answer = await call(caller, deployment, {
    name: 'migrate',
    method: 'POST',
    url: deployment.migrateUrl,
    allowedBy: 'deployers',
  });
  const parsed = z.safeParse(migrateSchema, answer);
  if (parsed.success) return parsed.data.applied;
  throw new DeployError('migrate answered in the format of another version', 'Run `npm run deploy` again.');
}

/** @throws {DeployError} */
export async function callStatus(caller: Caller, deployment: Deployment): Promise<Status> {
  const answer = await call(caller, deployment, {
    name: 'status',
    method: 'GET',
    url: deployment.statusUrl,
    allowedBy: 'viewers',
  });
  return readDeployedStatus(answer);
}

interface Callee {
  readonly name: string;
  readonly method: 'GET' | 'POST';
  readonly url: string;
  /** The Terraform variable that lists the accounts that may call it. */
  readonly allowedBy: string;
}

async function call(caller: Caller, deployment: Deployment, callee: Callee): Promise<unknown> {
  const { name, projectId, region } = deployment;
  const token = await readIdentityToken(caller.runner, caller.identity, callee.url);
  return await callFunction({
    ...callee,
    token,
    retryForSeconds: caller.retryForSeconds,
    signal: caller.signal,
    onRetry: (reason) => caller.say(`  ${reason}. Retrying.`),
    permissionRemediation:
      `The call needs roles/run.invoker on ${name}-${callee.name}: add "${memberOf(caller.identity)}" to \`${callee.allowedBy}\` ` +
      'in terraform.tfvars. A new grant takes two minutes, sometimes seven or more, to take effect everywhere.',
    logCommand: `gcloud run services logs read ${name}-${callee.name} --region ${region} --project ${projectId} --limit 50`,
  });
}
