/**
 * The password of an IAM database user: an access token. https://cloud.google.com/sql/docs/postgres/iam-logins
 * A module of its own, to be loaded late: a CommonJS package imported late has no names in the bundle, only `default`.
 */
import { AppError } from '../errors.ts';
import { GoogleAuth } from '../google-auth.ts';

/** One per process: it keeps the token until shortly before its end, and connections that open at once share a request. */
const auth = new GoogleAuth({ scopes: ['https://www.googleapis.com/auth/sqlservice.login'] });

export async function readIamLoginToken(): Promise<string> {
  const token = await auth.getAccessToken();
  if (!token) throw new AppError('database_unavailable', 'No access token for the IAM login to Cloud SQL.');
  return token;
}
