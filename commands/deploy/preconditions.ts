/** What a deployment needs before its first step. Reports all problems at once, each with its remediation. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../../shared/config.ts';
import type { CommandRunner } from './command-runner.ts';
import { DeployError } from './deploy-error.ts';
import type { DeployOptions } from './deploy-options.ts';
import { type GcloudIdentity, hasDefaultCredentials, requireIdentity } from './gcloud.ts';
import { readTerraformVersion, TERRAFORM_FOLDER } from './terraform.ts';

/** Major and minor version, as `terraform/versions.tf` requires. */
const MIN_TERRAFORM = [1, 9] as const;

export interface Problem {
  readonly what: string;
  readonly remediation: string;
}

export interface Preconditions {
  readonly problems: readonly Problem[];
  /** Null: gcloud is not needed, or has no login. */
  readonly identity: GcloudIdentity | null;
}

export async function checkPreconditions(
  runner: CommandRunner,
  options: DeployOptions,
  env: Environment,
): Promise<Preconditions> {
  const [terraform, gcloud, hasCredentials] = await Promise.all([
    checkTerraform(runner),
    options.isPlanOnly ? null : checkLogin(runner),
    hasDefaultCredentials(runner, env),
  ]);
  const problems = [
    ...checkTerminal(options),
    ...(terraform === null ? [] : [terraform]),
    ...checkSettings(options, env),
    ...(gcloud?.problem ? [gcloud.problem] : []),
    ...(hasCredentials ? [] : [credentialsProblem(env)]),
  ];
  return { problems, identity: gcloud?.identity ?? null };
}

/** A configured key file takes precedence over the login, so the login would not help. */
function credentialsProblem(env: Environment): Problem {
  const file = env['GOOGLE_APPLICATION_CREDENTIALS']?.trim();
  const what = 'Terraform finds no Google credentials (application default credentials)';
  if (!file) {
    return {
      what: `${what}.`,
      remediation:
        'Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file.',
    };
  }
  const reason = existsSync(file) ? 'is not accepted' : 'does not exist';
  return {
    what: `${what}: the file ${file} of GOOGLE_APPLICATION_CREDENTIALS ${reason}.`,
    remediation:
      'Set it to a key file that Google accepts, or unset the variable and run `gcloud auth application-default login`.',
  };
}

function checkTerminal({ isApproved, isPlanOnly, hasTerminal }: DeployOptions): Problem[] {
  if (hasTerminal || isApproved || isPlanOnly) return [];
  return [
    {
      what: 'There is no terminal to confirm the plan on.',
      remediation:
        'Add --yes to apply it without a question (`npm run deploy -- --yes`), or --plan to only show it.',
    },
  ];
}

async function checkTerraform(runner: CommandRunner): Promise<Problem | null> {
  const required = `Terraform ${MIN_TERRAFORM.join('.')} or newer`;
  const remediation = `Install ${required}: https://developer.hashicorp.com/terraform/install`;
  if (!runner.isInstalled('terraform')) return { what: 'terraform is not on PATH.', remediation };
  const version = await readTerraformVersion(runner);
  if (version === null) return { what: '`terraform version -json` prints no version.', remediation };
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isOld = major < MIN_TERRAFORM[0] || (major === MIN_TERRAFORM[0] && minor < MIN_TERRAFORM[1]);
  return isOld ? { what: `terraform on PATH is ${version}.`, remediation } : null;
}

function checkSettings({ root, variableFiles, variables }: DeployOptions, env: Environment): Problem[] {
  const folder = join(root, TERRAFORM_FOLDER);
  if (!existsSync(folder)) {
    const remediation = "Run `npm run deploy` in the project's folder.";
    return [{ what: `There is no folder ${folder}.`, remediation }];
  }
  const missing = variableFiles.filter((file) => !existsSync(file));
  if (missing.length > 0) {
    const remediation = 'Correct --var-file; a relative path starts at the folder that you run npm in.';
    return missing.map((file) => ({ what: `There is no file ${file}.`, remediation }));
  }
  const isSet =
    variableFiles.length > 0 ||
    Boolean(env['TF_VAR_project_id']?.trim()) ||
    variables.some((variable) => variable.startsWith('project_id=')) ||
    // The names that Terraform reads automatically.
    readdirSync(folder).some((name) => /^terraform\.tfvars(\.json)?$|\.auto\.tfvars(\.json)?$/.test(name));
  if (isSet) return [];
  return [
    {
      what: `${TERRAFORM_FOLDER}/terraform.tfvars is missing, so the project to deploy to is unknown.`,
      remediation:
        `Copy ${TERRAFORM_FOLDER}/terraform.tfvars.example to ${TERRAFORM_FOLDER}/terraform.tfvars and fill it in, ` +
        'or set TF_VAR_project_id.',
    },
  ];
}

async function checkLogin(
  runner: CommandRunner,
): Promise<{ readonly problem: Problem | null; readonly identity: GcloudIdentity | null }> {
  try {
    return { problem: null, identity: await requireIdentity(runner) };
  } catch (error) {
    if (!(error instanceof DeployError)) throw error;
    return { problem: { what: error.message, remediation: error.remediation }, identity: null };
  }
}
