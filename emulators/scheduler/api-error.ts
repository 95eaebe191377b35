/**
 * Errors as Google's REST front door writes them: `{error: {code, message, status}}`.
 *
 * Clients branch on `status` (the canonical name) and on the HTTP code, so both must be exact; the
 * texts are Google's where they are publicly known, and plain sentences elsewhere.
 * Source: https://cloud.google.com/apis/design/errors
 */

/** HTTP code that belongs to each canonical status the emulator uses. */
const HTTP_CODES = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
} as const;

export type ApiStatus = keyof typeof HTTP_CODES;

/** A refusal that the caller of the API gets to see. */
export class ApiError extends Error {
  readonly status: ApiStatus;

  constructor(status: ApiStatus, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }

  /** HTTP status code of the answer. */
  get code(): number {
    return HTTP_CODES[this.status];
  }

  /** Body of the answer. */
  toBody(): { error: { code: number; message: string; status: ApiStatus } } {
    return { error: { code: this.code, message: this.message, status: this.status } };
  }
}
