/**
 * How to reach the database: a URL, the socket of a Cloud SQL instance, or its private address. Called by the pool, and for
 * the single connection that migrates. Google's packages are loaded only by the target that needs them.
 */
import type { Duplex } from 'node:stream';
import type { ClientConfig } from 'pg';
import type { DatabaseTarget } from '../config.ts';
import { AppError } from '../errors.ts';
import type { GoogleAuth } from '../google/auth.ts';
import { credentialsProblem } from '../google/credentials-problem.ts';
import { withTimeout } from '../timeout.ts';

type CloudSqlTarget = Extract<DatabaseTarget, { readonly kind: 'cloud_sql' }>;

/** @throws {AppError} database_credentials_missing, or database_unavailable when the Cloud SQL Admin API does not describe the instance */
export async function connectionTo(target: DatabaseTarget): Promise<ClientConfig> {
  if (target.kind === 'url') return { connectionString: target.url };
  const { database, user } = target;
  if (target.isPrivate) return { database, user, stream: await privateStreams(target) };
  // Cloud Run mounts the socket of an attached instance here; the socket encrypts and authenticates the connection.
  return { host: `/cloudsql/${target.instance}`, database, user, password: iamLoginToken };
}

/** One per process: it caches the token until shortly before expiry, and concurrent connections share a request. */
let auth: GoogleAuth | undefined;

/** The password of an IAM database user: an access token. https://cloud.google.com/sql/docs/postgres/iam-logins */
async function iamLoginToken(): Promise<string> {
  const google = await import('../google/auth.ts');
  auth ??= new google.GoogleAuth({ scopes: ['https://www.googleapis.com/auth/sqlservice.login'] });
  const token = await auth.getAccessToken().catch((error: unknown) => {
    throw credentialsError('The IAM login to Cloud SQL', error) ?? error;
  });
  if (!token) throw new AppError('database_unavailable', 'No access token for the IAM login to Cloud SQL.');
  return token;
}

/** Two calls to the Admin API and a key pair, with the connector's retries. */
const CONNECTOR_TIMEOUT_MS = 20_000;

/**
 * One per process. It renews its client certificate, which is valid for an hour and carries the IAM login, so no password is
 * sent. https://cloud.google.com/sql/docs/postgres/connect-connectors
 */
let connector: InstanceType<typeof import('../google/sql-connector.ts').Connector> | undefined;

/** Returns a factory of TLS connections to the private address of the instance. */
async function privateStreams({ apiRootUrl, instance }: CloudSqlTarget): Promise<() => Duplex> {
  const google = await import('../google/sql-connector.ts');
  connector ??= new google.Connector({ ...(apiRootUrl !== null && { sqlAdminAPIEndpoint: apiRootUrl }) });
  const late = new Error('the Admin API does not answer');
  try {
    const options = connector.getOptions({
      instanceConnectionName: instance,
      authType: google.AuthTypes.IAM,
      ipType: google.IpAddressTypes.PRIVATE,
    });
    const { stream } = await withTimeout(CONNECTOR_TIMEOUT_MS, options, () => late);
    return stream;
  } catch (error) {
    // It caches a failure, and would return it once more.
    if (error !== late) connector = undefined;
    const what = `The Cloud SQL connector for ${instance}`;
    const reason = error instanceof Error ? error.message.slice(0, 200) : 'unknown error';
    throw (
      credentialsError(what, error) ??
      new AppError('database_unavailable', `${what}: ${reason}.`, { cause: error })
    );
  }
}

/** Null when the cause is not the credentials of this process. */
function credentialsError(what: string, error: unknown): AppError | null {
  const problem = credentialsProblem(error);
  return problem === null ? null : new AppError('database_credentials_missing', `${what}: ${problem}.`);
}

/**
 * Stops the renewal of the client certificate, which would keep the process running. Call it after the last connection has
 * ended. The next `connectionTo` makes a new connector.
 */
export function closeConnector(): void {
  connector?.close();
  connector = undefined;
}
