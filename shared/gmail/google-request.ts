/** One request to another Google API than Gmail, with the Google credentials of this process. Does not retry. */

import { AppError } from '../errors.ts';
import type { GoogleAuth } from '../google/auth.ts';
import { credentialsProblem } from '../google/credentials-problem.ts';
import { type FailedAnswer, noAnswer } from './gmail-error.ts';
import { loadGoogleLibrary, REQUEST_OPTIONS, rootCause } from './google-library.ts';

/** Of answers of a few kilobytes. */
const REQUEST_TIMEOUT_MS = 10_000;
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';

export interface GoogleRequest {
  /** Names the call in errors. */
  readonly what: string;
  readonly url: string;
  /** Posted as JSON, or as a form. Without either, the method is GET. */
  readonly json?: object;
  readonly form?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * @returns the answer, whatever its status
 * @throws {AppError} gmail_unavailable without a complete answer
 */
export async function requestGoogle(request: GoogleRequest): Promise<FailedAnswer> {
  const { OAuth2Client } = await loadGoogleLibrary();
  const { transporter } = new OAuth2Client({ useAuthRequestParameters: false });
  const body = request.json ?? (request.form && new URLSearchParams(request.form));
  try {
    const { status, headers, data } = await transporter.request<unknown>({
      ...REQUEST_OPTIONS,
      url: request.url,
      method: body ? 'POST' : 'GET',
      ...(body && { data: body }),
      headers: { ...request.headers },
      responseType: 'text',
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    return { status, body: typeof data === 'string' ? data : '', retryAfter: headers.get('retry-after') };
  } catch (error) {
    throw noAnswer(request.what, 'no answer', rootCause(error));
  }
}

/** One per process: it caches the token until shortly before expiry. */
let auth: GoogleAuth | undefined;

/**
 * The authorization header of this process's service account. None for an http:// address, which is an emulator: a token
 * never goes over an unencrypted connection.
 *
 * @throws {AppError} google_credentials_missing, gmail_unavailable
 */
export async function ownAuthorization(url: string): Promise<Record<string, string>> {
  if (url.startsWith('http:')) return {};
  const google = await import('../google/auth.ts');
  auth ??= new google.GoogleAuth({ scopes: [SCOPE] });
  try {
    const token = await auth.getAccessToken();
    if (token) return { authorization: `Bearer ${token}` };
  } catch (error) {
    throw toCredentialsError(error);
  }
  throw noAnswer('Google credentials', 'an answer without a token');
}

/** The library's error is not kept, because it contains the request. */
function toCredentialsError(error: unknown): AppError {
  const problem = credentialsProblem(error);
  if (problem !== null) return new AppError('google_credentials_missing', `Google credentials: ${problem}.`);
  const status = error instanceof Error && 'status' in error ? Number(error.status) : 0;
  if (status === 400 || status === 401)
    return new AppError('google_credentials_missing', `Google credentials: rejected with ${status}.`);
  return noAnswer('Google credentials', status > 0 ? `${status}` : 'no answer', rootCause(error));
}
