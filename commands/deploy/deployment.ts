/**
 * A deployment from source to a running system: build, Terraform, status. Stops at the first failure.
 * Invariant: every step may run again.
 */
import type { Environment } from '../../shared/config.ts';
import type { Status } from '../../shared/schemas/status.ts';
import { formatLine } from '../doctor/check-result.ts';
import { callStatus } from './call-status.ts';
import type { CommandRunner } from './command-runner.ts';
import { DeployError } from './deploy-error.ts';
import { type DeployOptions, terraformVariables } from './deploy-options.ts';
import { DeploySteps } from './deploy-steps.ts';
import { AUTHORIZE_COMMAND, checkStatus } from './deployed-status.ts';
import type { GcloudIdentity } from './gcloud.ts';
import { checkPreconditions } from './preconditions.ts';
import { apply, type Deployment, init, plan, readDeployment, withLockFileRestored } from './terraform.ts';

export interface DeployTools {
  readonly runner: CommandRunner;
  readonly signal: AbortSignal;
  readonly env: Environment;
  readonly say: (text: string) => void;
}

const SEE_ABOVE = 'Its output is above.';

/** @throws {Error} with the step, the reason and how to continue. @throws {Interrupted} likewise */
export async function deploy(options: DeployOptions, tools: DeployTools): Promise<void> {
  const steps = new DeploySteps(
    tools.say,
    options.isPlanOnly ? 'npm run deploy -- --plan' : 'npm run deploy',
  );
  const identity = await assertReady(options, tools);
  await steps.run('build (npm run build)', 'dist/ is built', async () => {
    const code = await tools.runner.runInTerminal('npm', ['run', 'build']);
    if (code !== 0) throw new DeployError('the build failed', `Fix the source. ${SEE_ABOVE}`);
  });
  if (options.isPlanOnly) await showPlan(options, tools, steps);
  else if (identity !== null) await applyAll(options, tools, { steps, identity });
}

async function assertReady(
  options: DeployOptions,
  { runner, env }: DeployTools,
): Promise<GcloudIdentity | null> {
  const { problems, identity } = await checkPreconditions(runner, options, env);
  if (problems.length === 0) return identity;
  const lines = problems.map(({ what, remediation }) => `  - ${what}\n    ${remediation}`);
  throw new Error(`Nothing was done. A deployment needs:\n${lines.join('\n')}`);
}

async function showPlan(
  options: DeployOptions,
  { runner, say }: DeployTools,
  steps: DeploySteps,
): Promise<void> {
  const isChange = await withLockFileRestored(options.root, async () => {
    await initialize(runner, steps);
    return await steps.run('terraform plan', 'the plan is shown', async () => {
      const changes = await plan(runner, terraformVariables(options));
      if (changes === null) throw new DeployError('terraform plan failed', SEE_ABOVE);
      return changes;
    });
  });
  say(
    isChange
      ? '\nNothing was changed. `npm run deploy` would apply the plan and check status.'
      : '\nNothing was changed, and Terraform has nothing to change. `npm run deploy` would check status.',
  );
}

async function initialize(runner: CommandRunner, steps: DeploySteps): Promise<void> {
  await steps.run('terraform init', 'Terraform is initialized', async () => {
    if ((await init(runner)) !== 0) {
      const remediation = `${SEE_ABOVE} If the folder belongs to another state, run \`terraform -chdir=terraform init -reconfigure\`.`;
      throw new DeployError('terraform init failed', remediation);
    }
  });
}

async function applyAll(
  options: DeployOptions,
  { runner, say, signal }: DeployTools,
  { steps, identity }: { readonly steps: DeploySteps; readonly identity: GcloudIdentity },
): Promise<void> {
  await initialize(runner, steps);
  const deployment = await steps.run('terraform apply', 'Terraform has applied the plan', async () => {
    const { isApproved } = options;
    assertApplied(await apply(runner, { variables: terraformVariables(options), isApproved }));
    return await readDeployment(runner);
  });
  const caller = { runner, identity, say, signal, retryForSeconds: options.retryForSeconds };
  const status = await steps.run('status', 'status reports no problem', async () => {
    const read = await callStatus(caller, deployment);
    assertHealthy(read, deployment, say);
    return read;
  });
  say(`\nDeployed: ${deployment.name} in ${deployment.projectId}, ${deployment.region}.\n`);
  say(nextSteps(status, deployment));
}

function assertApplied(code: number): void {
  if (code === 0) return;
  const remediation = `${SEE_ABOVE} Resources created before the failure are in Terraform's state and are not created again.`;
  throw new DeployError(`terraform apply exited with code ${code}`, remediation);
}

function assertHealthy(status: Status, deployment: Deployment, say: (text: string) => void): void {
  const results = checkStatus(status);
  for (const result of results) say(formatLine(result));
  const failed = results.filter((result) => result.state === 'fail');
  if (failed.length === 0) return;
  if (status.state === 'reauth_required') say(`\n${nextSteps(status, deployment)}`);
  const remediations = failed.flatMap((result) => result.remediation ?? []);
  throw new DeployError(
    `the deployment answers, but reports a problem: ${failed.map((result) => result.text).join('; ')}`,
    remediations.length === 0 ? 'Follow the advice above.' : [...new Set(remediations)].join(' '),
  );
}

/** What the operator does after the deployment, by the state of the system. */
function nextSteps({ state, is_running: isRunning }: Status, { startUrl }: Deployment): string {
  const start = `  curl -X POST -H "Authorization: Bearer $(gcloud auth print-identity-token)" ${startUrl}`;
  if (state === 'not_configured') return `Next, authorize and start:\n\n  ${AUTHORIZE_COMMAND}\n${start}`;
  if (state === 'reauth_required') return `Next, authorize again:\n\n  ${AUTHORIZE_COMMAND}`;
  if (!isRunning) return `Next, start it:\n\n${start}`;
  return 'The monitor is running. To check it: npm run doctor -- --deployment';
}
