/** The two functions of a deployment that its commands call, in the name of who is logged in to gcloud. */
import * as z from 'zod/mini';
import { migrateSchema } from '../../shared/schemas/migrate.ts';
import type { Status } from '../../shared/schemas/status.ts';
import { DeployError } from './deploy-error.ts';
import { callFunction } from './deployed-function.ts';
import { readDeployedStatus } from './deployed-status.ts';
import { type Login, memberOf, readIdentityToken } from './gcloud.ts';
import type { Programs } from './programs.ts';
import type { Deployment } from './terraform.ts';

export interface Caller {
  readonly programs: Programs;
  readonly login: Login;
  readonly patienceSeconds: number;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** May run twice. @returns the migrations that it applied. @throws {DeployError} */
export async function callMigrate(caller: Caller, deployment: Deployment): Promise<string[]> {
  const answer = await call(caller, deployment, {
    name: 'migrate',
    method: 'POST',
    url: deployment.migrateUrl,
    allowedBy: 'deployers',
  });
  const parsed = z.safeParse(migrateSchema, answer);
  if (parsed.success) return parsed.data.applied;
  throw new DeployError('migrate answers otherwise than this version does', 'Run `npm run deploy` again.');
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
  /** Terraform's variable that lists who may. */
  readonly allowedBy: string;
}

async function call(caller: Caller, deployment: Deployment, callee: Callee): Promise<unknown> {
  const { name, projectId, region } = deployment;
  const token = await readIdentityToken(caller.programs, caller.login, callee.url);
  return await callFunction({
    ...callee,
    token,
    patienceSeconds: caller.patienceSeconds,
    signal: caller.signal,
    onWait: (why) => caller.say(`  ${why}. Asking again.`),
    cureOfRefusal:
      `It wants roles/run.invoker on ${name}-${callee.name}: put "${memberOf(caller.login)}" into \`${callee.allowedBy}\` ` +
      'in terraform.tfvars. A new grant takes two minutes, sometimes seven or more, to be seen everywhere.',
    logCommand: `gcloud run services logs read ${name}-${callee.name} --region ${region} --project ${projectId} --limit 50`,
  });
}
