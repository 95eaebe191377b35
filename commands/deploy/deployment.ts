/**
 * A deployment from its sources to a system that answers: build, images, Terraform, migrations, status. Stops at the first
 * failure; each step may run again, so the whole may.
 */
import type { Environment } from '../../shared/config.ts';
import type { Status } from '../../shared/schemas/status.ts';
import { asLine } from '../doctor/finding.ts';
import { callMigrate, callStatus } from './calls.ts';
import { DeployError } from './deploy-error.ts';
import { type DeployOptions, terraformVariables } from './deploy-options.ts';
import { judgeStatus } from './deployed-status.ts';
import { type Login, readAccessToken } from './gcloud.ts';
import { GoogleApi } from './google-api.ts';
import { buildImages } from './images.ts';
import { nextSteps } from './next-steps.ts';
import { checkPreconditions } from './preconditions.ts';
import type { Programs } from './programs.ts';
import { Progress } from './progress.ts';
import {
  apply,
  type Deployment,
  init,
  plan,
  readBuilds,
  readDeployment,
  withLockFileKept,
} from './terraform.ts';

export interface DeployTools {
  readonly programs: Programs;
  readonly signal: AbortSignal;
  readonly env: Environment;
  readonly say: (text: string) => void;
}

const ABOVE = 'Its own words stand above.';

/** @throws {Error} with the step, the reason and how to go on. @throws {Interrupted} likewise */
export async function deploy(options: DeployOptions, tools: DeployTools): Promise<void> {
  const progress = new Progress(
    tools.say,
    options.isPlanOnly ? 'npm run deploy -- --plan' : 'npm run deploy',
  );
  const login = await assertReady(options, tools);
  await progress.step('build (npm run build)', 'dist/ is built', async () => {
    const code = await tools.programs.show('npm', ['run', 'build']);
    if (code !== 0) throw new DeployError('the build fails', `Mend the sources. ${ABOVE}`);
  });
  if (options.isPlanOnly) await showPlan(options, tools, progress);
  else if (login !== null) await applyAll(options, tools, { progress, login });
}

async function assertReady(options: DeployOptions, { programs, env }: DeployTools): Promise<Login | null> {
  const { lacks, login } = await checkPreconditions(programs, options, env);
  if (lacks.length === 0) return login;
  const lines = lacks.map(({ what, remediation }) => `  - ${what}\n    ${remediation}`);
  throw new Error(`Nothing was done. Before a deployment:\n${lines.join('\n')}`);
}

async function showPlan(
  options: DeployOptions,
  { programs, say }: DeployTools,
  progress: Progress,
): Promise<void> {
  const isChange = await withLockFileKept(options.root, async () => {
    await initialise(programs, progress);
    return await progress.step('terraform plan', 'the plan is shown', async () => {
      const changes = await plan(programs, terraformVariables(options));
      if (changes === null) throw new DeployError('terraform plan fails', ABOVE);
      return changes;
    });
  });
  say(
    isChange
      ? '\nNothing was changed. `npm run deploy` would build what images are missing, do what the plan says, call migrate and look at status.'
      : '\nNothing was changed, and Terraform has nothing to change. `npm run deploy` would call migrate and look at status.',
  );
}

async function initialise(programs: Programs, progress: Progress): Promise<void> {
  await progress.step('terraform init', 'Terraform is initialised', async () => {
    if ((await init(programs)) !== 0) {
      const remediation = `${ABOVE} A folder that belongs to another state: \`terraform -chdir=terraform init -reconfigure\`.`;
      throw new DeployError('terraform init fails', remediation);
    }
  });
}

async function applyAll(
  options: DeployOptions,
  { programs, env, say, signal }: DeployTools,
  { progress, login }: { readonly progress: Progress; readonly login: Login },
): Promise<void> {
  await initialise(programs, progress);
  const agreed = { variables: terraformVariables(options), isApproved: options.isApproved };
  await progress.step('terraform apply (what builds need)', 'what builds need is there', async () => {
    assertApplied(await apply(programs, { ...agreed, onlyForBuilds: true }));
  });
  await progress.step('images', 'the images are built', async () => {
    const { patienceSeconds } = options;
    const api = new GoogleApi({ token: await readAccessToken(programs), env, signal, patienceSeconds });
    const built = await buildImages(api, await readBuilds(programs), { signal, say });
    say(built.length === 0 ? 'All images of this source are there.' : `Built: ${built.join(', ')}`);
  });
  const deployment = await progress.step('terraform apply', 'Terraform has applied the plan', async () => {
    assertApplied(await apply(programs, agreed));
    return await readDeployment(programs);
  });
  const caller = { programs, login, say, signal, patienceSeconds: options.patienceSeconds };
  await progress.step('migrate', 'the database is migrated', async () => {
    const applied = await callMigrate(caller, deployment);
    say(applied.length === 0 ? 'The schema is current.' : `Applied: ${applied.join(', ')}`);
  });
  const status = await progress.step('status', 'status is well', async () => {
    const read = await callStatus(caller, deployment);
    assertWell(read, deployment, say);
    return read;
  });
  say(`\nDeployed: ${deployment.name} in ${deployment.projectId}, ${deployment.region}.\n`);
  say(nextSteps(status, deployment));
}

function assertApplied(code: number): void {
  if (code === 0) return;
  const remediation = `${ABOVE} What it created before the failure is in its state and is not created again.`;
  throw new DeployError(`terraform apply ends with ${code}`, remediation);
}

function assertWell(status: Status, deployment: Deployment, say: (text: string) => void): void {
  const findings = judgeStatus(status);
  for (const finding of findings) say(asLine(finding));
  const failed = findings.filter((finding) => finding.state === 'fault');
  if (failed.length === 0) return;
  if (status.state === 'reauth_required') say(`\n${nextSteps(status, deployment)}`);
  const remediations = failed.flatMap((finding) => finding.remediation ?? []);
  throw new DeployError(
    `it is deployed and answers, but not well: ${failed.map((finding) => finding.text).join('; ')}`,
    remediations.length === 0 ? 'As the advice above says.' : [...new Set(remediations)].join(' '),
  );
}
