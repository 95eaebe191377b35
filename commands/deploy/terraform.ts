/** Terraform, always on the folder `terraform/`. What it prints and asks goes to the terminal unchanged. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { DeployError } from './deploy-error.ts';
import { BUILDS, type Builds } from './images.ts';
import type { Programs } from './programs.ts';

export const TERRAFORM_FOLDER = 'terraform';
const CHDIR = `-chdir=${TERRAFORM_FOLDER}`;
/** Which provider versions were taken. Written by `init`. */
const LOCK_FILE = '.terraform.lock.hcl';

/** What the configuration tells about what it has made. */
export interface Deployment {
  readonly name: string;
  readonly projectId: string;
  readonly region: string;
  readonly migrateUrl: string;
  readonly statusUrl: string;
  readonly startUrl: string;
  /** By function: `gmail-push`. */
  readonly urls: Readonly<Record<string, string>>;
}

const output = <Value extends z.ZodType>(value: Value) => z.object({ value });
const OUTPUTS = z.object({
  name: output(z.string()),
  project_id: output(z.string()),
  region: output(z.string()),
  migrate_url: output(z.url()),
  status_url: output(z.url()),
  /** By function. */
  urls: output(z.object({ start: z.url() }).catchall(z.url())),
});

export interface ApplyOptions {
  /** `-var-file=...` and `-var=...` */
  readonly variables: readonly string[];
  /** Without Terraform's own question. */
  readonly isApproved: boolean;
  /** Only what is needed before images can be built. */
  readonly onlyForBuilds?: boolean;
}

/** `1.11.4`; null when it does not say. */
export async function readTerraformVersion(programs: Programs): Promise<string | null> {
  const { stdout } = await programs.read('terraform', ['version', '-json']);
  try {
    return z.object({ terraform_version: z.string() }).parse(JSON.parse(stdout)).terraform_version;
  } catch {
    return null;
  }
}

/** Takes a moment and changes nothing where it was done before. @returns the exit code */
export async function init(programs: Programs): Promise<number> {
  return await programs.show('terraform', [CHDIR, 'init', '-input=false']);
}

/** @returns the exit code */
export async function apply(programs: Programs, options: ApplyOptions): Promise<number> {
  const approval = options.isApproved ? ['-input=false', '-auto-approve'] : [];
  const target = options.onlyForBuilds ? ['-target=terraform_data.build'] : [];
  return await programs.show('terraform', [CHDIR, 'apply', ...approval, ...target, ...options.variables]);
}

/** What to build, by what was applied last. @throws {Error} when it is not told */
export async function readBuilds(programs: Programs): Promise<Builds> {
  const { stdout, stderr } = await programs.read('terraform', [CHDIR, 'output', '-json', 'builds']);
  const builds = BUILDS.safeParse(parseJson(stdout));
  if (builds.success) return builds.data;
  throw new Error(`Terraform's output \`builds\` does not tell what to build. ${lastLines(stderr)}`.trim());
}

/** @returns whether something would change; null when it failed */
export async function plan(programs: Programs, variables: readonly string[]): Promise<boolean | null> {
  const code = await programs.show('terraform', [
    CHDIR,
    'plan',
    '-input=false',
    '-detailed-exitcode',
    ...variables,
  ]);
  return code === 0 ? false : code === 2 ? true : null;
}

/** The work may write the file of provider versions; afterwards it is as it was. */
export async function withLockFileKept<Result>(root: string, work: () => Promise<Result>): Promise<Result> {
  const file = join(root, TERRAFORM_FOLDER, LOCK_FILE);
  const before = existsSync(file) ? readFileSync(file) : null;
  try {
    return await work();
  } finally {
    if (before === null) rmSync(file, { force: true });
    else if (!existsSync(file) || !before.equals(readFileSync(file))) writeFileSync(file, before);
  }
}

/** @throws {Error} when nothing was applied yet, or the outputs are not those of this version */
export async function readDeployment(programs: Programs): Promise<Deployment> {
  const { code, stdout, stderr } = await programs.read('terraform', [CHDIR, 'output', '-json']);
  if (code !== 0) throw new Error(`\`terraform output\` failed: ${lastLines(stderr)}`);
  const parsed = OUTPUTS.safeParse(parseJson(stdout));
  if (!parsed.success) {
    const missing = [...new Set(parsed.error.issues.map((issue) => String(issue.path[0] ?? 'all')))];
    throw new Error(`Terraform's outputs are not complete: ${missing.join(', ')}.`);
  }
  const { data } = parsed;
  return {
    name: data.name.value,
    projectId: data.project_id.value,
    region: data.region.value,
    migrateUrl: data.migrate_url.value,
    statusUrl: data.status_url.value,
    startUrl: data.urls.value.start,
    urls: data.urls.value,
  };
}

/** The same for a command that has not just applied it. @throws {DeployError} */
export async function findDeployment(programs: Programs): Promise<Deployment> {
  if (!programs.isThere('terraform')) {
    const remediation = 'Install it: https://developer.hashicorp.com/terraform/install';
    throw new DeployError('terraform is not on PATH.', remediation);
  }
  return await readDeployment(programs).catch((error: Error) => {
    throw new DeployError(error.message, 'Run `npm run deploy`; here, or where its state is.');
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
