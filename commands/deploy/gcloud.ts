/**
 * The account and the tokens of the operator, from gcloud.
 * Invariant: a token is read when it is needed and goes into one header. No message, argument or file contains it.
 */
import type { Environment } from '../../shared/config.ts';
import type { CommandRunner } from './command-runner.ts';
import { DeployError } from './deploy-error.ts';

/** With any of these, Terraform's provider needs no other login. https://registry.terraform.io/providers/hashicorp/google/latest/docs/guides/provider_reference */
const PROVIDER_CREDENTIALS = [
  'GOOGLE_CREDENTIALS',
  'GOOGLE_CLOUD_KEYFILE_JSON',
  'GCLOUD_KEYFILE_JSON',
  'GOOGLE_OAUTH_ACCESS_TOKEN',
];

export interface GcloudIdentity {
  /** `alice@example.com`, or a service account. */
  readonly account: string;
  /** The service account that gcloud is configured to impersonate; null: none. */
  readonly impersonated: string | null;
}

/** @returns null without a login */
async function readIdentity(runner: CommandRunner): Promise<GcloudIdentity | null> {
  const [active, impersonation] = await Promise.all([
    runner.capture('gcloud', ['auth', 'list', '--filter=status:ACTIVE', '--format=value(account)']),
    runner.capture('gcloud', ['config', 'get', 'auth/impersonate_service_account']),
  ]);
  const account = active.code === 0 ? active.stdout.trim() : '';
  if (account === '') return null;
  return { account, impersonated: (impersonation.code === 0 ? impersonation.stdout.trim() : '') || null };
}

/** @throws {DeployError} when gcloud is not installed or has no login */
export async function requireIdentity(runner: CommandRunner): Promise<GcloudIdentity> {
  if (!runner.isInstalled('gcloud')) {
    throw new DeployError(
      'gcloud is not on PATH.',
      'Install the Google Cloud CLI: https://cloud.google.com/sdk/docs/install',
    );
  }
  const identity = await readIdentity(runner);
  if (identity === null) throw new DeployError('gcloud has no login.', 'Run `gcloud auth login`.');
  return identity;
}

/** The caller as a member of an IAM binding: `user:alice@example.com`. */
export function memberOf({ account, impersonated }: GcloudIdentity): string {
  const name = impersonated ?? account;
  return `${name.endsWith('.gserviceaccount.com') ? 'serviceAccount' : 'user'}:${name}`;
}

/** True when Terraform finds credentials. gcloud prints a token to prove it; the token is not used. */
export async function hasDefaultCredentials(runner: CommandRunner, env: Environment): Promise<boolean> {
  if (PROVIDER_CREDENTIALS.some((name) => env[name]?.trim())) return true;
  if (!runner.isInstalled('gcloud')) return false;
  return (await runner.capture('gcloud', ['auth', 'application-default', 'print-access-token'])).code === 0;
}

/** For Google's APIs. @throws {DeployError} with gcloud's error */
export async function readAccessToken(runner: CommandRunner): Promise<string> {
  const { code, stdout, stderr } = await runner.capture('gcloud', ['auth', 'print-access-token']);
  const token = stdout.trim();
  if (code === 0 && token !== '') return token;
  throw new DeployError(`gcloud gives no access token: ${errorLine(stderr)}`, 'Run `gcloud auth login`.');
}

/** @param url of the function to call. @throws {DeployError} with gcloud's error */
export async function readIdentityToken(
  runner: CommandRunner,
  identity: GcloudIdentity,
  url: string,
): Promise<string> {
  const { code, stdout, stderr } = await runner.capture('gcloud', [
    'auth',
    'print-identity-token',
    ...audienceArgs(identity, url),
  ]);
  const token = stdout.trim();
  if (code === 0 && token !== '') return token;
  throw new DeployError(
    `gcloud gives no identity token: ${errorLine(stderr)}`,
    identity.impersonated !== null
      ? 'Grant yourself roles/iam.serviceAccountTokenCreator on the service account.'
      : 'Run `gcloud auth login`.',
  );
}

/**
 * The token of a service account needs an audience; for a user account, gcloud rejects the option. This gcloud command
 * ignores the configured impersonation, so it is repeated as an option.
 */
function audienceArgs({ account, impersonated }: GcloudIdentity, url: string): string[] {
  const audience = `--audiences=${url}`;
  if (impersonated !== null)
    return [`--impersonate-service-account=${impersonated}`, '--include-email', audience];
  return account.endsWith('.gserviceaccount.com') ? [audience] : [];
}

/** The line of gcloud's output with the error. */
export function errorLine(text: string): string {
  const line = text
    .split('\n')
    .map((one) => one.trim())
    .find((one) => one.startsWith('ERROR'));
  return line ?? 'it gives no reason.';
}

/**
 * Tokens go over https, or to this machine.
 *
 * @throws {DeployError} for any other address
 */
export function assertSafeForToken({ protocol, hostname }: URL, shown: string, remediation: string): void {
  if (protocol === 'https:' || hostname === '127.0.0.1') return;
  throw new DeployError(`${shown} is not https, so no token is sent to it`, remediation);
}
