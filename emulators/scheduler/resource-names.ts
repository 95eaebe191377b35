/** Validates resource names. */
import { ApiError } from './api-error.ts';

const LOCATION = /^projects\/[\w.:-]+\/locations\/[\w-]+$/;
const JOB = /^projects\/[\w.:-]+\/locations\/[\w-]+\/jobs\/[\w-]{1,500}$/;

/** @throws {ApiError} INVALID_ARGUMENT */
export function checkLocationName(name: string): void {
  if (LOCATION.test(name)) return;
  throw new ApiError('INVALID_ARGUMENT', `Malformed name "${name}": expected projects/P/locations/L.`);
}

/** @throws {ApiError} INVALID_ARGUMENT */
export function checkJobName(name: string): void {
  if (JOB.test(name)) return;
  const form = 'projects/<PROJECT_ID>/locations/<LOCATION_ID>/jobs/<JOB_ID>';
  throw new ApiError('INVALID_ARGUMENT', `Job name must be formatted: "${form}", but is "${name}".`);
}
