/**
 * Who deploys, by gcloud. What must stay true: a token is read when it is needed, goes into one header, and stands in
 * no message, no argument and no file.
 */
import type { Environment } from '../../shared/config.ts';
import { DeployError } from './deploy-error.ts';
import type { Programs } from './programs.ts';

/** Each lets Terraform's provider log in by itself. https://registry.terraform.io/providers/hashicorp/google/latest/docs/guides/provider_reference */
const PROVIDER_CREDENTIALS = [
  'GOOGLE_CREDENTIALS',
  'GOOGLE_CLOUD_KEYFILE_JSON',
  'GCLOUD_KEYFILE_JSON',
  'GOOGLE_OAUTH_ACCESS_TOKEN',
];

export interface Login {
  /** `alice@example.com`, or a service account. */
  readonly account: string;
  /** The service account in whose name gcloud acts, by its configuration; null: as the account itself. */
  readonly impersonated: string | null;
}

/** @returns null when nobody is logged in */
export async function readLogin(programs: Programs): Promise<Login | null> {
  const [active, acting] = await Promise.all([
    programs.read('gcloud', ['auth', 'list', '--filter=status:ACTIVE', '--format=value(account)']),
    programs.read('gcloud', ['config', 'get', 'auth/impersonate_service_account']),
  ]);
  const account = active.code === 0 ? active.stdout.trim() : '';
  if (account === '') return null;
  return { account, impersonated: (acting.code === 0 ? acting.stdout.trim() : '') || null };
}

/** @throws {DeployError} when gcloud is not there, or nobody is logged in */
export async function findLogin(programs: Programs): Promise<Login> {
  if (!programs.isThere('gcloud')) {
    throw new DeployError('gcloud is not on PATH.', 'Install it: https://cloud.google.com/sdk/docs/install');
  }
  const login = await readLogin(programs);
  if (login === null) throw new DeployError('Nobody is logged in to gcloud.', 'Run `gcloud auth login`.');
  return login;
}

/** Who calls, as an IAM binding names it. */
export function memberOf({ account, impersonated }: Login): string {
  const name = impersonated ?? account;
  return `${name.endsWith('.gserviceaccount.com') ? 'serviceAccount' : 'user'}:${name}`;
}

/** Does Terraform find credentials? Asked of Google; the token that is answered is not looked at. */
export async function hasDefaultCredentials(programs: Programs, env: Environment): Promise<boolean> {
  if (PROVIDER_CREDENTIALS.some((name) => env[name]?.trim())) return true;
  if (!programs.isThere('gcloud')) return false;
  return (await programs.read('gcloud', ['auth', 'application-default', 'print-access-token'])).code === 0;
}

/** For Google's APIs. @throws {DeployError} with what gcloud says */
export async function readAccessToken(programs: Programs): Promise<string> {
  const { code, stdout, stderr } = await programs.read('gcloud', ['auth', 'print-access-token']);
  const token = stdout.trim();
  if (code === 0 && token !== '') return token;
  throw new DeployError(`gcloud gives no access token: ${errorLine(stderr)}`, 'Run `gcloud auth login`.');
}

/** @param url of the function that it is for. @throws {DeployError} with what gcloud says */
export async function readIdentityToken(programs: Programs, login: Login, url: string): Promise<string> {
  const { code, stdout, stderr } = await programs.read('gcloud', [
    'auth',
    'print-identity-token',
    ...receiver(login, url),
  ]);
  const token = stdout.trim();
  if (code === 0 && token !== '') return token;
  throw new DeployError(
    `gcloud gives no identity token: ${errorLine(stderr)}`,
    login.impersonated !== null
      ? 'Grant yourself roles/iam.serviceAccountTokenCreator on the service account.'
      : 'Run `gcloud auth login`.',
  );
}

/**
 * A service account's token is made for one receiver; a person's cannot be, gcloud refuses it. For this command the
 * configured impersonation does not count, only the flag does.
 */
function receiver({ account, impersonated }: Login, url: string): string[] {
  const audience = `--audiences=${url}`;
  if (impersonated !== null)
    return [`--impersonate-service-account=${impersonated}`, '--include-email', audience];
  return account.endsWith('.gserviceaccount.com') ? [audience] : [];
}

/** The line of what gcloud said that tells the error. */
export function errorLine(text: string): string {
  const line = text
    .split('\n')
    .map((one) => one.trim())
    .find((one) => one.startsWith('ERROR'));
  return line ?? 'it does not say why.';
}
