/** Maps errors of Google's Cloud Storage client to AppError codes. */
import { AppError } from '../errors.ts';
import { credentialsProblem } from '../google/credentials-problem.ts';

const CONNECTION_CODES: readonly unknown[] = [
  'ECONNRESET',
  'EPIPE',
  'ECONNREFUSED',
  'ERR_STREAM_PREMATURE_CLOSE',
];
/** Request timeout, too many requests. */
const PASSING_STATUSES: readonly number[] = [408, 429];
const MAX_DETAIL = 300;

/** The HTTP status of the answer; null without one. */
export function statusOf(error: unknown): number | null {
  const code = property(error, 'code') ?? property(error, 'status');
  const status = Number(code);
  return Number.isInteger(status) && status >= 400 && status <= 599 ? status : null;
}

/** True when the same request may succeed at once. */
export function isRepeatable(error: unknown): boolean {
  const status = statusOf(error);
  if (status !== null) return status >= 500;
  return CONNECTION_CODES.includes(property(error, 'code')) || property(error, 'type') === 'system';
}

/** Google's messages name the account, the permission, the bucket and the object, whose name is a hash. */
export function toBucketError(error: unknown, bucket: string): AppError {
  if (error instanceof AppError) return error;
  const problem = credentialsProblem(error);
  if (problem !== null) return new AppError('bucket_credentials_missing', `Bucket ${bucket}: ${problem}.`);
  const status = statusOf(error);
  const message = (error instanceof Error ? error.message : typeof error)
    .replaceAll(/\s+/g, ' ')
    .slice(0, MAX_DETAIL);
  const isDenied = status !== null && status < 500 && !PASSING_STATUSES.includes(status);
  // The client keeps only the message of an error of IAM Credentials.
  if (error instanceof Error && error.name === 'SigningError' && /permission|denied|disabled/i.test(message))
    return new AppError('url_signing_denied', message, { cause: error });
  const detail = `Bucket ${bucket}: ${status === null ? '' : `${status} `}${message}`;
  return new AppError(isDenied ? 'bucket_denied' : 'bucket_unavailable', detail, { cause: error });
}

function property(error: unknown, name: string): unknown {
  return typeof error === 'object' && error !== null && name in error
    ? (error as Readonly<Record<string, unknown>>)[name]
    : undefined;
}
