/**
 * An access token of the credentials that Terraform uses, for commands that Terraform runs: GOOGLE_OAUTH_ACCESS_TOKEN, or
 * else Application Default Credentials; and as the account of GOOGLE_IMPERSONATE_SERVICE_ACCOUNT when it is set.
 * https://registry.terraform.io/providers/hashicorp/google/latest/docs/guides/provider_reference
 */
import { z } from 'zod';
import type { Environment } from '../../shared/config.ts';
import { GoogleAuth } from '../../shared/google-auth.ts';
import { DeployError } from './deploy-error.ts';
import { GoogleApi } from './google-api.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const IMPERSONATED = z.object({ accessToken: z.string() });

/**
 * @param project of the deployment. Google's library would otherwise ask Google for that of the credentials
 * @throws {DeployError} without usable credentials
 */
export async function readDefaultToken(
  project: string,
  env: Environment,
  signal: AbortSignal,
): Promise<string> {
  const token = env['GOOGLE_OAUTH_ACCESS_TOKEN']?.trim() || (await readTokenOfFile(project));
  const account = env['GOOGLE_IMPERSONATE_SERVICE_ACCOUNT']?.trim();
  if (!account) return token;
  const api = new GoogleApi({
    token,
    env,
    signal,
    retryForSeconds: 0,
    permissionRemediation: `The caller needs roles/iam.serviceAccountTokenCreator on ${account}.`,
  });
  const path = `v1/projects/-/serviceAccounts/${encodeURIComponent(account)}:generateAccessToken`;
  return IMPERSONATED.parse(await api.post('iamcredentials', path, { scope: [SCOPE] })).accessToken;
}

/** Google's library finds the credentials through `process.env`. */
async function readTokenOfFile(project: string): Promise<string> {
  try {
    const token = await new GoogleAuth({ scopes: SCOPE, projectId: project }).getAccessToken();
    if (token) return token;
    throw new Error('Google returned no token.');
  } catch (error) {
    throw new DeployError(
      `There are no usable Google credentials: ${error instanceof Error ? error.message : String(error)}`,
      'Run `gcloud auth application-default login`, or set GOOGLE_OAUTH_ACCESS_TOKEN.',
    );
  }
}
