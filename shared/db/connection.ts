/** How a target is reached, for the pool of the functions and for the one connection that migrates. */
import type { ClientConfig } from 'pg';
import type { DatabaseTarget } from '../config.ts';
import { AppError } from '../errors.ts';

export function connectionTo(target: DatabaseTarget): ClientConfig {
  if (target.kind === 'url') return { connectionString: target.url };
  return {
    // Cloud Run mounts the socket of an attached instance here; it encrypts and checks the way to it.
    host: `/cloudsql/${target.instance}`,
    database: target.database,
    user: target.user,
    password: iamLoginToken,
  };
}

/** An access token is the password of an IAM database user. https://cloud.google.com/sql/docs/postgres/iam-logins */
async function iamLoginToken(): Promise<string> {
  const { GoogleAuth } = await import('google-auth-library');
  const auth = new GoogleAuth({ scopes: ['https://www.googleapis.com/auth/sqlservice.login'] });
  const token = await auth.getAccessToken();
  if (!token) throw new AppError('database_unavailable', 'No access token for the IAM login to Cloud SQL.');
  return token;
}
