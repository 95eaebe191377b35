/**
 * `npm run doctor -- --deployment`: what the deployment says of itself, found by Terraform's outputs. Changes nothing.
 * Gmail, the schema and the grants are looked at from inside by `npm run doctor` with the deployment's variables.
 */
import type { Environment } from '../../shared/config.ts';
import { type Finding, fail, ok, skip } from '../doctor/finding.ts';
import { callStatus } from './calls.ts';
import { DeployError } from './deploy-error.ts';
import { type DeployedStatus, judgeStatus } from './deployed-status.ts';
import { type Login, readLogin } from './gcloud.ts';
import { Interrupted, listenForInterruption } from './interruption.ts';
import { Programs } from './programs.ts';
import { type Deployment, readDeployment } from './terraform.ts';

export async function* examineDeployment(root: string, env: Environment): AsyncGenerator<Finding> {
  const interruption = listenForInterruption();
  const programs = new Programs(root, env, interruption);
  const deployment = await attempt('deployment', async () => await deploymentOf(programs));
  const login = await attempt('login', async () => await loginOf(programs));
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

async function deploymentOf(programs: Programs): Promise<Deployment> {
  if (!programs.isThere('terraform')) {
    throw new DeployError('terraform is not on PATH', 'https://developer.hashicorp.com/terraform/install');
  }
  return await readDeployment(programs).catch((error: Error) => {
    throw new DeployError(error.message, 'Run `npm run deploy`; here, or where its state is.');
  });
}

async function loginOf(programs: Programs): Promise<Login> {
  if (!programs.isThere('gcloud')) {
    throw new DeployError('gcloud is not on PATH', 'https://cloud.google.com/sdk/docs/install');
  }
  const login = await readLogin(programs);
  if (login === null) throw new DeployError('nobody is logged in to gcloud', 'Run `gcloud auth login`.');
  return login;
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
