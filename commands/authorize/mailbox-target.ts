/**
 * Where `npm run authorize -- --mailbox ADDRESS` stores the credentials of an added mailbox: one secret of Secret Manager, or one
 * file. The secret is created when it does not exist.
 * Invariant: a value goes to gcloud's standard input or into the file only, never into an argument or a message.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { GmailCredentials } from '../../shared/credentials.ts';
import { secretPath } from '../../shared/mailbox-access.ts';
import type { CommandRunner } from '../deploy/command-runner.ts';
import { DeployError } from '../deploy/deploy-error.ts';
import { errorLine, memberOf, requireIdentity } from '../deploy/gcloud.ts';
import { findDeployment } from '../deploy/terraform.ts';
import type { NamedLocation } from './secret-manager.ts';

const DEFAULT_PREFIX = 'email-monitor-mailbox_';
const AUTOMATIC = { automatic: {} };

export interface MailboxTarget {
  /** May run again: the newest credentials count. @returns where they are */
  store(credentials: GmailCredentials): Promise<string>;
}

function contentOf({ clientId, clientSecret, refreshToken }: GmailCredentials): string {
  return JSON.stringify({ client_id: clientId, client_secret: clientSecret, refresh_token: refreshToken });
}

/** A file that only its owner can read. @param folder absolute */
export function fileTarget(folder: string, secretName: string): MailboxTarget {
  const file = secretPath(folder, secretName);
  return {
    store: async (credentials) => {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      const next = `${file}.${process.pid}.tmp`;
      try {
        writeFileSync(next, `${contentOf(credentials)}\n`, { mode: 0o600, flag: 'wx' });
        renameSync(next, file);
      } finally {
        rmSync(next, { force: true });
      }
      return file;
    },
  };
}

/**
 * Finds the place of the secret. Reads Terraform's outputs only when no project is named.
 *
 * @throws {DeployError} when gcloud cannot be used, or nothing is deployed
 */
export async function secretTarget(
  runner: CommandRunner,
  { address, secretName }: { readonly address: string; readonly secretName: string },
  named: NamedLocation,
): Promise<MailboxTarget> {
  const member = memberOf(await requireIdentity(runner));
  const { prefix, project } = await placeOf(runner, named);
  const name = `${prefix}-${secretName}`;
  const inProject = `--project=${project}`;
  const { code, stderr } = await runner.capture('gcloud', [
    'secrets',
    'describe',
    name,
    inProject,
    '--format=value(name)',
  ]);
  const isMissing = code !== 0 && /NOT_FOUND/.test(stderr);
  // An account that may add versions may lack the permission to see the secret. Adding the version then shows the error.
  if (code !== 0 && !isMissing && !/PERMISSION_DENIED/.test(stderr))
    throw new DeployError(
      `gcloud cannot find the secret ${name} of ${project}: ${errorLine(stderr)}`,
      'Check --project, and that the Secret Manager API is enabled there.',
    );
  const run = async (args: readonly string[], input: string, role: string) => {
    const result = await runner.captureWithInput('gcloud', [...args, inProject], input);
    if (result.code === 0) return result.stdout;
    throw new DeployError(
      `gcloud could not store the secret ${name}: ${errorLine(result.stderr)}\nThe consent was given, but nothing is stored.`,
      `It needs ${role}:\n  gcloud projects add-iam-policy-binding ${project} --member ${member} --role ${role}\n` +
        'Then run `npm run authorize` again.',
    );
  };
  return {
    store: async (credentials) => {
      if (isMissing) {
        const replication = await replicationOf(runner, prefix, inProject);
        const create = ['secrets', 'create', name, '--replication-policy-file=-'];
        await run(
          [...create, `--set-annotations=mailbox=${address}`],
          replication,
          'roles/secretmanager.admin',
        );
      }
      const add = ['secrets', 'versions', 'add', name, '--data-file=-', '--format=value(name)'];
      const stdout = await run(add, contentOf(credentials), 'roles/secretmanager.secretVersionAdder');
      const version = /versions\/(\d+)\s*$/.exec(stdout)?.[1];
      return `Secret Manager of ${project}: ${name}${version === undefined ? '' : `, version ${version}`}`;
    },
  };
}

async function placeOf(
  runner: CommandRunner,
  named: NamedLocation,
): Promise<{ readonly project: string; readonly prefix: string }> {
  if (named.project !== undefined) return { project: named.project, prefix: named.prefix ?? DEFAULT_PREFIX };
  const { mailboxSecrets } = await findDeployment(runner);
  const [, project, , prefix] = mailboxSecrets?.split('/') ?? [];
  if (project !== undefined && prefix !== undefined) return { project, prefix: named.prefix ?? prefix };
  throw new DeployError(
    "Terraform's outputs do not have mailbox_secrets: the deployment is older than added mailboxes.",
    'Run `npm run deploy` first. Or name --project and --secret-prefix.',
  );
}

const describedSecret = z.object({ replication: z.record(z.string(), z.unknown()) });

/** In the same locations and with the same key as the secrets of the first mailbox, which Terraform creates. */
async function replicationOf(runner: CommandRunner, prefix: string, inProject: string): Promise<string> {
  const example = prefix.replace(/-mailbox_$/, '-gmail-refresh-token');
  const { code, stdout } = await runner.capture('gcloud', [
    'secrets',
    'describe',
    example,
    inProject,
    '--format=json(replication)',
  ]);
  if (code !== 0) return JSON.stringify(AUTOMATIC);
  try {
    return JSON.stringify(describedSecret.parse(JSON.parse(stdout)).replication);
  } catch {
    return JSON.stringify(AUTOMATIC);
  }
}
