/**
 * Maps errors of Cloud Scheduler and its client to `AppError`.
 *
 * Codes are google.rpc.Code: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
 */
import { AppError, type ErrorCode } from '../errors.ts';
import { credentialsProblem } from '../google/credentials-problem.ts';
import { rpcCode } from '../google/rpc-code.ts';

export const NOT_FOUND = 5;
export const FAILED_PRECONDITION = 9;

const ERROR_BY_RPC_CODE: Readonly<Record<number, ErrorCode>> = {
  // INVALID_ARGUMENT: no job can exist under a malformed name, and the remediation is the same.
  3: 'scheduler_job_missing',
  [NOT_FOUND]: 'scheduler_job_missing',
  7: 'scheduler_denied',
  16: 'scheduler_denied',
};

/**
 * @param action what was being done, for the detail
 * @returns an `AppError`; `scheduler_unavailable`, which may be retried, for every error that is not known to be permanent
 */
export function toSchedulerError(error: unknown, action: string): AppError {
  if (error instanceof AppError) return error;
  // Before its code: the client reports rejected credentials as an invalid argument.
  const problem = credentialsProblem(error);
  // Without a cause, whose message may quote a credential file.
  if (problem !== null) return new AppError('google_credentials_missing', `${action}: ${problem}.`);
  const code = rpcCode(error);
  const errorCode = (code === null ? null : ERROR_BY_RPC_CODE[code]) ?? 'scheduler_unavailable';
  // Google's messages name the permission and the resource. Messages of other layers may quote what was sent.
  const reason =
    code !== null ? (error as Error).message : error instanceof Error ? error.name : typeof error;
  return new AppError(errorCode, `${action}: ${reason}`, { cause: error });
}
