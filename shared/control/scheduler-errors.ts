/**
 * What Cloud Scheduler and its client throw, as our own faults.
 *
 * Codes are google.rpc.Code: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
 */
import { AppError, type ErrorCode } from '../errors.ts';

export const NOT_FOUND = 5;
export const FAILED_PRECONDITION = 9;

const FAULT_BY_CODE: Readonly<Record<number, ErrorCode>> = {
  // A malformed name is a job that cannot exist; the remediation is the same.
  3: 'scheduler_job_missing',
  [NOT_FOUND]: 'scheduler_job_missing',
  7: 'scheduler_denied',
  16: 'scheduler_denied',
};

/** The google.rpc.Code of a thrown thing; null when it carries none. */
export function rpcCode(error: unknown): number | null {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return typeof code === 'number' ? code : null;
}

/**
 * A thrown thing as an `AppError`; everything that is not known to be final may be tried again.
 *
 * @param doing what was being done, for the detail
 */
export function toSchedulerError(error: unknown, doing: string): AppError {
  if (error instanceof AppError) return error;
  const code = rpcCode(error);
  const fault = (code === null ? null : FAULT_BY_CODE[code]) ?? 'scheduler_unavailable';
  // Google's texts name the permission and the resource. Those of other layers may quote what they sent.
  const said = code !== null ? (error as Error).message : error instanceof Error ? error.name : typeof error;
  return new AppError(fault, `${doing}: ${said}`, { cause: error });
}
