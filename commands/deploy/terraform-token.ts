/**
 * The access token of Terraform's Google provider, from the same variables, so that a command that Terraform runs acts as
 * the same account. Terraform itself passes no token on.
 * https://registry.terraform.io/providers/hashicorp/google/latest/docs/guides/provider_reference
 */
import { type AuthClient, GoogleAuth, Impersonated, OAuth2Client } from 'google-auth-library';
import type { Environment } from '../../shared/config.ts';
import { DeployError } from './deploy-error.ts';

const SCOPES = ['https://www.googleapis.com/auth/cloud-platform'];
/** Content or path of a key file. */
const CREDENTIALS = ['GOOGLE_CREDENTIALS', 'GOOGLE_CLOUD_KEYFILE_JSON', 'GCLOUD_KEYFILE_JSON'];

/**
 * @param project of the deployment. Google's library would otherwise ask Google for that of the credentials
 * @returns reads a token that is valid at the time of the call. @throws {DeployError}
 */
export function terraformToken(env: Environment, project: string): () => Promise<string> {
  let client: Promise<AuthClient> | null = null;
  return async () => {
    try {
      client ??= createClient(env, project);
      const { token } = await (await client).getAccessToken();
      if (token) return token;
      throw new Error('the answer has no token');
    } catch (error) {
      throw new DeployError(
        `Google gives no access token: ${reasonOf(error)}`,
        'Run `gcloud auth application-default login`, or set GOOGLE_OAUTH_ACCESS_TOKEN or GOOGLE_APPLICATION_CREDENTIALS.',
      );
    }
  };
}

async function createClient(env: Environment, project: string): Promise<AuthClient> {
  const source = await sourceClient(env, project);
  const account = env['GOOGLE_IMPERSONATE_SERVICE_ACCOUNT']?.trim();
  if (!account) return source;
  return new Impersonated({ sourceClient: source, targetPrincipal: account, targetScopes: SCOPES });
}

async function sourceClient(env: Environment, projectId: string): Promise<AuthClient> {
  const accessToken = env['GOOGLE_OAUTH_ACCESS_TOKEN']?.trim();
  if (accessToken) {
    const client = new OAuth2Client();
    client.setCredentials({ access_token: accessToken });
    return client;
  }
  const credentials = CREDENTIALS.map((name) => env[name]?.trim()).find(Boolean);
  if (credentials === undefined) return await new GoogleAuth({ scopes: SCOPES, projectId }).getClient();
  const key = credentials.startsWith('{')
    ? { credentials: JSON.parse(credentials) }
    : { keyFile: credentials };
  return await new GoogleAuth({ scopes: SCOPES, projectId, ...key }).getClient();
}

/** The message of a JSON error quotes the text that it cannot parse, which may be part of a key. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return /\bJSON\b/.test(message) ? 'the credentials are not valid JSON' : message;
}
