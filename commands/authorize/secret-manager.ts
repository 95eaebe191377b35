/**
 * The credentials as new versions of the three secrets of a deployment, which its functions read again within five
 * minutes. By gcloud, in the name of who is logged in. What must stay true: a value goes to gcloud's standard input,
 * never into an argument, a file or a message.
 */
import { DeployError } from '../deploy/deploy-error.ts';
import { errorLine, findLogin, memberOf } from '../deploy/gcloud.ts';
import type { Programs } from '../deploy/programs.ts';
import { findDeployment } from '../deploy/terraform.ts';

/** As `terraform/secrets.tf` names them behind their prefix. */
const PARTS = ['client-id', 'client-secret', 'refresh-token'] as const;
const USUAL_PREFIX = 'email-monitor-gmail';

export type SecretValues = Readonly<Record<(typeof PARTS)[number], string>>;

export interface SecretPlace {
  readonly projectId: string;
  /** `email-monitor-gmail` of `email-monitor-gmail-client-id`. */
  readonly prefix: string;
  /** `user:alice@example.com`, who stores them. */
  readonly member: string;
}

export interface NamedPlace {
  readonly project: string | undefined;
  readonly prefix: string | undefined;
}

/**
 * Where they go, looked at before a person is asked for anything. Terraform is asked only for what is not named.
 *
 * @throws {DeployError} when gcloud cannot be used, nothing is deployed, or a secret is not there
 */
export async function findSecrets(programs: Programs, named: NamedPlace): Promise<SecretPlace> {
  const member = memberOf(await findLogin(programs));
  const deployment = named.project === undefined ? await findDeployment(programs) : null;
  const place = {
    projectId: named.project ?? deployment?.projectId ?? '',
    prefix: named.prefix ?? (deployment === null ? USUAL_PREFIX : `${deployment.name}-gmail`),
    member,
  };
  await Promise.all(PARTS.map(async (part) => await assertThere(programs, place, part)));
  return place;
}

/** Who may add versions need not be allowed to look at the secret: then it is found out when they are added. */
async function assertThere(programs: Programs, place: SecretPlace, part: string): Promise<void> {
  const name = `${place.prefix}-${part}`;
  const args = ['secrets', 'describe', name, `--project=${place.projectId}`, '--format=value(name)'];
  const { code, stderr } = await programs.read('gcloud', args);
  if (code === 0 || /PERMISSION_DENIED/.test(stderr)) return;
  throw new DeployError(
    `The secret ${name} of ${place.projectId} is not to be had: ${errorLine(stderr)}`,
    'Run `npm run deploy` first, which makes it; of another deployment, name --project and --secret-prefix.',
  );
}

/** May run again: each time adds versions. @returns a line for each. @throws {DeployError} that says what is stored */
export async function storeSecrets(
  programs: Programs,
  place: SecretPlace,
  values: SecretValues,
): Promise<string[]> {
  const stored: string[] = [];
  for (const part of PARTS) {
    const name = `${place.prefix}-${part}`;
    const { code, stdout, stderr } = await programs.feed(
      'gcloud',
      [
        'secrets',
        'versions',
        'add',
        name,
        '--data-file=-',
        `--project=${place.projectId}`,
        '--format=value(name)',
      ],
      values[part],
    );
    if (code !== 0) throw notStored(place, name, { stored, why: errorLine(stderr) });
    const version = /versions\/(\d+)\s*$/.exec(stdout)?.[1];
    stored.push(version === undefined ? name : `${name}, version ${version}`);
  }
  return stored;
}

function notStored(
  { projectId, member }: SecretPlace,
  name: string,
  { stored, why }: { readonly stored: readonly string[]; readonly why: string },
): DeployError {
  const before = stored.length === 0 ? 'Nothing is stored' : `Stored before it: ${stored.join('; ')}`;
  return new DeployError(
    `The secret ${name} did not take its new version: ${why}\n${before}. Until all three belong together, Gmail refuses them.`,
    `It wants roles/secretmanager.secretVersionAdder:\n  gcloud secrets add-iam-policy-binding ${name} --project ${projectId} ` +
      `--member ${member} --role roles/secretmanager.secretVersionAdder\nThen run \`npm run authorize\` again.`,
  );
}
