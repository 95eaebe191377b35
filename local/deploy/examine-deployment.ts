/**
 * `npm run doctor -- --deployment`: what the deployment says of itself, found by Terraform's outputs. Changes nothing.
 * Gmail, the schema and the grants are looked at from inside by `npm run doctor` with the deployment's variables.
 */
import type { Environment } from '../../shared/config.ts';
import { type Finding, fail, ok, skip } from '../doctor/finding.ts';
import { callStatus } from './calls.ts';
import { DeployError } from './deploy-error.ts';
import { type DeployedStatus, judgeStatus } from './deployed-status.ts';
import { findLogin } from './gcloud.ts';
import { Interrupted, listenForInterruption } from './interruption.ts';
import { Programs } from './programs.ts';
import { findDeployment } from './terraform.ts';

export async function* examineDeployment(root: string, env: Environment): AsyncGenerator<Finding> {
  const interruption = listenForInterruption();
  const programs = new Programs(root, env, interruption);
  const deployment = await attempt('deployment', async () => await findDeployment(programs));
  const login = await attempt('login', async () => await findLogin(programs));
  if (isFinding(deployment)) yield deployment;
  else yield ok('deployment', `${deployment.name} in ${deployment.projectId}, ${deployment.region}`);
  if (isFinding(login)) yield login;
  else yield ok('login', login.impersonated ?? login.account);
  if (isFinding(deployment) || isFinding(login)) {
    yield skip('status', 'not looked at');
    return;
  }
  const status = await attempt('status', async () => {
    const caller = { programs, login, patienceSeconds: 0, signal: interruption.signal, say: () => undefined };
    return await callStatus(caller, deployment);
  });
  if (isFinding(status)) yield status;
  else {
    yield ok('status', `answers at ${deployment.statusUrl}`);
    yield* judge(status);
  }
}

function judge(status: DeployedStatus): Finding[] {
  const findings = judgeStatus(status);
  // To a fresh deployment it is the next step; to who asks for the doctor it is what is wrong.
  return status.state === 'not_configured'
    ? findings.map((one) => (one.name === 'advice' ? fail('credentials', one.text, null) : one))
    : findings;
}

async function attempt<Result extends object>(
  name: string,
  work: () => Promise<Result>,
): Promise<Result | Finding> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Interrupted) throw error;
    const why = error instanceof Error ? error.message : String(error);
    return fail(name, why, error instanceof DeployError ? error.cure : null);
  }
}

function isFinding(value: object): value is Finding {
  return 'state' in value && 'text' in value;
}
