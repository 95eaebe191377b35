/**
 * Reads the credentials of an added mailbox: from Secret Manager, or from a folder on one machine.
 * Invariant: no error shows content of the secret.
 * Source: https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access
 */
import { readFile } from 'node:fs/promises';
import * as z from 'zod/mini';
import type { GmailCredentials } from '../credentials.ts';
import { AppError, type ErrorCode } from '../errors.ts';
import { withTimeout } from '../timeout.ts';
import { fromJson, noAnswer, parseRetryAfter, readGoogleError } from './gmail-error.ts';
import { ownAuthorization, requestGoogle } from './google-request.ts';

const GOOGLE_ROOT_URL = 'https://secretmanager.googleapis.com/';
/** With the token of this process. */
const READ_TIMEOUT_MS = 15_000;

const value = z.string().check(z.trim(), z.minLength(1));
const secretSchema = z.object({ client_id: value, client_secret: value, refresh_token: value });
const versionSchema = z.object({ payload: z.object({ data: z.string() }) });

/**
 * @param path of `secretPath`
 * @param rootUrl of Secret Manager, ends in a slash; null for Google's
 * @throws {AppError} mailbox_secret_missing, mailbox_secret_unreadable, google_credentials_missing, gmail_unavailable
 */
export async function readMailboxSecret(path: string, rootUrl: string | null): Promise<GmailCredentials> {
  const read = path.startsWith('/') ? readSecretFile(path) : accessSecret(path, rootUrl ?? GOOGLE_ROOT_URL);
  const text = await withTimeout(READ_TIMEOUT_MS, read, () => noAnswer(path, 'timed out'));
  const parsed = secretSchema.safeParse(fromJson(text));
  if (!parsed.success) {
    const field = parsed.error.issues[0]?.path.join('.');
    const problem = field ? `has no valid "${field}"` : 'is not a JSON object';
    throw new AppError('mailbox_secret_unreadable', `${path}: the content ${problem}.`);
  }
  const { client_id, client_secret, refresh_token } = parsed.data;
  return { clientId: client_id, clientSecret: client_secret, refreshToken: refresh_token };
}

async function readSecretFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason';
    const code = reason === 'ENOENT' ? 'mailbox_secret_missing' : 'mailbox_secret_unreadable';
    throw new AppError(
      code,
      reason === 'ENOENT' ? `${path} does not exist.` : `${path} cannot be read (${reason}).`,
    );
  }
}

async function accessSecret(path: string, rootUrl: string): Promise<string> {
  const answer = await requestGoogle({
    what: path,
    url: `${rootUrl}v1/${path}/versions/latest:access`,
    headers: await ownAuthorization(rootUrl),
  });
  if (answer.status !== 200) {
    const error = readGoogleError(answer.body);
    const detail = `${path}: ${answer.status}${error?.reason ? ` ${error.reason}` : ''}.`;
    const code = error === null ? 'gmail_unavailable' : codeOf(answer.status);
    throw new AppError(code, detail, { retryAfterMs: parseRetryAfter(answer.retryAfter) });
  }
  const parsed = versionSchema.safeParse(fromJson(answer.body));
  if (!parsed.success) throw noAnswer(path, 'an answer without a secret');
  return Buffer.from(parsed.data.payload.data, 'base64').toString('utf8');
}

/** 400: the latest version is disabled or destroyed. */
function codeOf(status: number): ErrorCode {
  if (status === 404) return 'mailbox_secret_missing';
  if (status === 401) return 'google_credentials_missing';
  return status === 400 || status === 403 ? 'mailbox_secret_unreadable' : 'gmail_unavailable';
}
