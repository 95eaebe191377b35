/**
 * Stores the credentials with gcloud as new versions of a deployment's three secrets. The functions read them within five
 * minutes.
 * Invariant: a value goes to gcloud's standard input only, never into an argument, a file or a message.
 */
import type { CommandRunner } from '../deploy/command-runner.ts';
import { DeployError } from '../deploy/deploy-error.ts';
import { errorLine, memberOf, requireIdentity } from '../deploy/gcloud.ts';
import { findDeployment } from '../deploy/terraform.ts';

/** The parts after the prefix, as `terraform/secrets.tf` names the secrets. */
const PARTS = ['client-id', 'client-secret', 'refresh-token'] as const;
const DEFAULT_PREFIX = 'email-monitor-gmail';

export type SecretValues = Readonly<Record<(typeof PARTS)[number], string>>;

export interface SecretLocation {
  readonly projectId: string;
  /** `email-monitor-gmail` in `email-monitor-gmail-client-id`. */
  readonly prefix: string;
  /** The account that stores them: `user:alice@example.com`. */
  readonly member: string;
}

export interface NamedLocation {
  readonly project: string | undefined;
  readonly prefix: string | undefined;
}

/**
 * Finds the secrets and checks that they exist. Reads Terraform's outputs only when no project is named.
 *
 * @throws {DeployError} when gcloud cannot be used, nothing is deployed, or a secret is missing
 */
export async function findSecrets(runner: CommandRunner, named: NamedLocation): Promise<SecretLocation> {
  const member = memberOf(await requireIdentity(runner));
  const deployment = named.project === undefined ? await findDeployment(runner) : null;
  const location = {
    projectId: named.project ?? deployment?.projectId ?? '',
    prefix: named.prefix ?? (deployment === null ? DEFAULT_PREFIX : `${deployment.name}-gmail`),
    member,
  };
  await Promise.all(PARTS.map(async (part) => await assertExists(runner, location, part)));
  return location;
}

/** An account that may add versions may lack the permission to see the secret. Adding the version then shows the error. */
async function assertExists(runner: CommandRunner, location: SecretLocation, part: string): Promise<void> {
  const name = `${location.prefix}-${part}`;
  const args = ['secrets', 'describe', name, `--project=${location.projectId}`, '--format=value(name)'];
  const { code, stderr } = await runner.capture('gcloud', args);
  if (code === 0 || /PERMISSION_DENIED/.test(stderr)) return;
  throw new DeployError(
    `gcloud cannot find the secret ${name} of ${location.projectId}: ${errorLine(stderr)}`,
    'Run `npm run deploy` first, which creates it. For another deployment, set --project and --secret-prefix.',
  );
}

/**
 * May run again: each call adds versions.
 *
 * @returns one line per secret
 * @throws {DeployError} that lists what was stored before the failure
 */
export async function storeSecrets(
  runner: CommandRunner,
  location: SecretLocation,
  values: SecretValues,
): Promise<string[]> {
  const stored: string[] = [];
  for (const part of PARTS) {
    const name = `${location.prefix}-${part}`;
    const { code, stdout, stderr } = await runner.captureWithInput(
      'gcloud',
      [
        'secrets',
        'versions',
        'add',
        name,
        '--data-file=-',
        `--project=${location.projectId}`,
        '--format=value(name)',
      ],
      values[part],
    );
    if (code !== 0) throw storeError(location, name, { stored, why: errorLine(stderr) });
    const version = /versions\/(\d+)\s*$/.exec(stdout)?.[1];
    stored.push(version === undefined ? name : `${name}, version ${version}`);
  }
  return stored;
}

function storeError(
  { projectId, member }: SecretLocation,
  name: string,
  { stored, why }: { readonly stored: readonly string[]; readonly why: string },
): DeployError {
  const before = stored.length === 0 ? 'Nothing is stored' : `Stored before: ${stored.join('; ')}`;
  return new DeployError(
    `gcloud could not add a version to the secret ${name}: ${why}\n${before}. Google rejects the credentials until all three belong together.`,
    `Adding a version needs roles/secretmanager.secretVersionAdder:\n  gcloud secrets add-iam-policy-binding ${name} --project ${projectId} ` +
      `--member ${member} --role roles/secretmanager.secretVersionAdder\nThen run \`npm run authorize\` again.`,
  );
}
