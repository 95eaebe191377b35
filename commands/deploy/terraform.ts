/** Runs Terraform on the folder `terraform/`. Its output and questions go to the terminal unchanged. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { CommandRunner } from './command-runner.ts';
import { DeployError } from './deploy-error.ts';

export const TERRAFORM_FOLDER = 'terraform';
const CHDIR = `-chdir=${TERRAFORM_FOLDER}`;
/** The selected provider versions, written by `terraform init`. */
const LOCK_FILE = '.terraform.lock.hcl';

/** The deployed resources, from Terraform's outputs. */
export interface Deployment {
  readonly name: string;
  readonly projectId: string;
  readonly region: string;
  readonly statusUrl: string;
  readonly startUrl: string;
  /** `projects/P/secrets/PREFIX` of the credentials of added mailboxes; null: deployed by an older version. */
  readonly mailboxSecrets: string | null;
  /** By function: `gmail-push`. */
  readonly urls: Readonly<Record<string, string>>;
}

const output = <Value extends z.ZodType>(value: Value) => z.object({ value });
const OUTPUTS = z.object({
  mailbox_secrets: output(z.string()).optional(),
  name: output(z.string()),
  project_id: output(z.string()),
  region: output(z.string()),
  status_url: output(z.url()),
  /** By function. */
  urls: output(z.object({ start: z.url() }).catchall(z.url())),
});

export interface ApplyOptions {
  /** `-var-file=...` and `-var=...` */
  readonly variables: readonly string[];
  /** Apply without Terraform's question. */
  readonly isApproved: boolean;
}

/** `1.11.4`; null when the output has no version. */
export async function readTerraformVersion(runner: CommandRunner): Promise<string | null> {
  const { stdout } = await runner.capture('terraform', ['version', '-json']);
  try {
    return z.object({ terraform_version: z.string() }).parse(JSON.parse(stdout)).terraform_version;
  } catch {
    return null;
  }
}

/** May run twice. @returns the exit code */
export async function init(runner: CommandRunner): Promise<number> {
  return await runner.runInTerminal('terraform', [CHDIR, 'init', '-input=false']);
}

/** @returns the exit code */
export async function apply(runner: CommandRunner, options: ApplyOptions): Promise<number> {
  const approval = options.isApproved ? ['-input=false', '-auto-approve'] : [];
  return await runner.runInTerminal('terraform', [CHDIR, 'apply', ...approval, ...options.variables]);
}

/** @returns true: Terraform would change something; null: it failed */
export async function plan(runner: CommandRunner, variables: readonly string[]): Promise<boolean | null> {
  const code = await runner.runInTerminal('terraform', [
    CHDIR,
    'plan',
    '-input=false',
    '-detailed-exitcode',
    ...variables,
  ]);
  return code === 0 ? false : code === 2 ? true : null;
}

/** Restores the file of provider versions after the work, which may write it. */
export async function withLockFileRestored<Result>(
  root: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const file = join(root, TERRAFORM_FOLDER, LOCK_FILE);
  const before = existsSync(file) ? readFileSync(file) : null;
  try {
    return await work();
  } finally {
    if (before === null) rmSync(file, { force: true });
    else if (!existsSync(file) || !before.equals(readFileSync(file))) writeFileSync(file, before);
  }
}

/** @throws {Error} when nothing is applied yet, or the outputs are those of another version */
export async function readDeployment(runner: CommandRunner): Promise<Deployment> {
  const { code, stdout, stderr } = await runner.capture('terraform', [CHDIR, 'output', '-json']);
  if (code !== 0) throw new Error(`\`terraform output\` failed: ${lastLines(stderr)}`);
  const parsed = OUTPUTS.safeParse(parseJson(stdout));
  if (!parsed.success) {
    const missing = [...new Set(parsed.error.issues.map((issue) => String(issue.path[0] ?? 'all')))];
    throw new Error(`Terraform's outputs are incomplete: ${missing.join(', ')}.`);
  }
  const { data } = parsed;
  return {
    name: data.name.value,
    projectId: data.project_id.value,
    region: data.region.value,
    statusUrl: data.status_url.value,
    startUrl: data.urls.value.start,
    mailboxSecrets: data.mailbox_secrets?.value ?? null,
    urls: data.urls.value,
  };
}

/** Like `readDeployment`, for a command that did not run Terraform before. @throws {DeployError} */
export async function findDeployment(runner: CommandRunner): Promise<Deployment> {
  if (!runner.isInstalled('terraform')) {
    const remediation = 'Install it: https://developer.hashicorp.com/terraform/install';
    throw new DeployError('terraform is not on PATH.', remediation);
  }
  return await readDeployment(runner).catch((error: Error) => {
    throw new DeployError(
      error.message,
      'Run `npm run deploy` here, or run this command where the Terraform state is.',
    );
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-3).join(' ').trim();
}
