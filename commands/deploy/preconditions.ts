/** What must be there before anything is done. Reports everything that is missing at once, each with its remediation. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../../shared/config.ts';
import type { DeployOptions } from './deploy-options.ts';
import { hasDefaultCredentials, type Login, readLogin } from './gcloud.ts';
import type { Programs } from './programs.ts';
import { readTerraformVersion, TERRAFORM_FOLDER } from './terraform.ts';

/** Major, minor. As `terraform/versions.tf` demands. */
const OLDEST_TERRAFORM = [1, 9] as const;
const SDK = 'https://cloud.google.com/sdk/docs/install';

export interface Lack {
  readonly what: string;
  readonly remediation: string;
}

export interface Readiness {
  readonly lacks: readonly Lack[];
  /** Null when gcloud is not needed, or nobody is logged in. */
  readonly login: Login | null;
}

export async function checkPreconditions(
  programs: Programs,
  options: DeployOptions,
  env: Environment,
): Promise<Readiness> {
  const [terraform, gcloud, hasCredentials] = await Promise.all([
    lackOfTerraform(programs),
    options.isPlanOnly ? null : lackOfLogin(programs),
    hasDefaultCredentials(programs, env),
  ]);
  const lacks = [
    ...lackOfTerminal(options),
    ...(terraform === null ? [] : [terraform]),
    ...lackOfSettings(options, env),
    ...(gcloud?.lack ? [gcloud.lack] : []),
    ...(hasCredentials ? [] : [lackOfCredentials(env)]),
  ];
  return { lacks, login: gcloud?.login ?? null };
}

/** A key file that was named goes before the login, so the login would not help while it is. */
function lackOfCredentials(env: Environment): Lack {
  const file = env['GOOGLE_APPLICATION_CREDENTIALS']?.trim();
  const what = 'Terraform finds no credentials of Google (application default credentials)';
  if (!file) {
    return {
      what: `${what}.`,
      remediation:
        'Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file.',
    };
  }
  const fault = existsSync(file) ? 'gives no token' : 'is not there';
  return {
    what: `${what}: the file ${file} of GOOGLE_APPLICATION_CREDENTIALS ${fault}.`,
    remediation:
      'Name a key file that Google accepts, or unset the variable and run `gcloud auth application-default login`.',
  };
}

function lackOfTerminal({ isApproved, isPlanOnly, hasTerminal }: DeployOptions): Lack[] {
  if (hasTerminal || isApproved || isPlanOnly) return [];
  return [
    {
      what: 'There is no terminal at which a person could agree to the plan.',
      remediation:
        'Add --yes to apply it without asking (`npm run deploy -- --yes`), or --plan to see it only.',
    },
  ];
}

async function lackOfTerraform(programs: Programs): Promise<Lack | null> {
  const wanted = `Terraform ${OLDEST_TERRAFORM.join('.')} or newer`;
  const remediation = `Install ${wanted}: https://developer.hashicorp.com/terraform/install`;
  if (!programs.isThere('terraform')) return { what: 'terraform is not on PATH.', remediation };
  const version = await readTerraformVersion(programs);
  if (version === null) return { what: '`terraform version -json` says no version.', remediation };
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isOld = major < OLDEST_TERRAFORM[0] || (major === OLDEST_TERRAFORM[0] && minor < OLDEST_TERRAFORM[1]);
  return isOld ? { what: `terraform on PATH is ${version}.`, remediation } : null;
}

function lackOfSettings({ root, variableFiles, variables }: DeployOptions, env: Environment): Lack[] {
  const folder = join(root, TERRAFORM_FOLDER);
  if (!existsSync(folder)) {
    const remediation = 'Start it by `npm run deploy`, in the folder of the project.';
    return [{ what: `There is no folder ${folder}.`, remediation }];
  }
  const missing = variableFiles.filter((file) => !existsSync(file));
  if (missing.length > 0) {
    const remediation = 'Correct --var-file; a relative path counts from where you stand.';
    return missing.map((file) => ({ what: `There is no file ${file}.`, remediation }));
  }
  const isSet =
    variableFiles.length > 0 ||
    Boolean(env['TF_VAR_project_id']?.trim()) ||
    variables.some((variable) => variable.startsWith('project_id=')) ||
    // The names that Terraform reads by itself.
    readdirSync(folder).some((name) => /^terraform\.tfvars(\.json)?$|\.auto\.tfvars(\.json)?$/.test(name));
  if (isSet) return [];
  return [
    {
      what: `${TERRAFORM_FOLDER}/terraform.tfvars is missing: nothing says into which project to deploy.`,
      remediation:
        `Copy ${TERRAFORM_FOLDER}/terraform.tfvars.example to ${TERRAFORM_FOLDER}/terraform.tfvars and fill it in, ` +
        'or set TF_VAR_project_id.',
    },
  ];
}

async function lackOfLogin(
  programs: Programs,
): Promise<{ readonly lack: Lack | null; readonly login: Login | null }> {
  if (!programs.isThere('gcloud')) {
    const lack = { what: 'gcloud is not on PATH.', remediation: `Install the Google Cloud CLI: ${SDK}` };
    return { lack, login: null };
  }
  const login = await readLogin(programs);
  const lack = { what: 'Nobody is logged in to gcloud.', remediation: 'Run `gcloud auth login`.' };
  return { lack: login === null ? lack : null, login };
}
