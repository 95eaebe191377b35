/**
 * Errors in the format of Google's REST APIs: `{error: {code, message, status}}`.
 *
 * Clients branch on `status` (the canonical name) and on the HTTP code, so both are exact. Messages are Google's
 * where they are publicly known.
 * Source: https://cloud.google.com/apis/design/errors
 */

/** HTTP status code of each canonical status. */
const HTTP_CODES = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
} as const;

export type ApiStatus = keyof typeof HTTP_CODES;

/** An error that is returned to the API client. */
export class ApiError extends Error {
  readonly status: ApiStatus;

  constructor(status: ApiStatus, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }

  /** HTTP status code of the response. */
  get code(): number {
    return HTTP_CODES[this.status];
  }

  /** Body of the response. */
  toBody(): { error: { code: number; message: string; status: ApiStatus } } {
    return { error: { code: this.code, message: this.message, status: this.status } };
  }
}
