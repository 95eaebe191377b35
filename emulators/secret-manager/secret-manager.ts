/**
 * The method versions.access of Google's Secret Manager, for the latest version of each secret. Credentials are not checked, but
 * requests of web pages are rejected.
 * https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access
 */
import { type EmulatedGoogleApi, startGoogleApi } from '../google-faults.ts';

const PATH = /^\/v1\/(projects\/[^/]+\/secrets\/[A-Za-z0-9_-]{1,255})\/versions\/latest:access$/;

export interface EmulatedSecretManager extends EmulatedGoogleApi {
  /** By `projects/P/secrets/S`. Null: the latest version is disabled. */
  readonly secrets: Map<string, string | null>;
}

export async function startSecretManager(): Promise<EmulatedSecretManager> {
  const secrets = new Map<string, string | null>();
  const api = await startGoogleApi((request) => {
    const name = PATH.exec(request.url ?? '')?.[1] ?? '';
    const value = request.method === 'GET' ? secrets.get(name) : undefined;
    if (value === undefined)
      return {
        error: {
          code: 404,
          status: 'NOT_FOUND',
          message: `Secret [${name}] not found or has no versions.`,
        },
      };
    if (value === null)
      return {
        error: {
          code: 400,
          status: 'FAILED_PRECONDITION',
          message: `Secret Version [${name}/versions/1] is in DISABLED state.`,
        },
      };
    return { name: `${name}/versions/1`, payload: { data: Buffer.from(value).toString('base64') } };
  });
  return Object.assign(api, { secrets });
}
