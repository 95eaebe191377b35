/** Errors of the JSON API of Cloud Storage: https://cloud.google.com/storage/docs/json_api/v1/status-codes */

const REASONS: Readonly<Record<number, string>> = {
  400: 'invalid',
  403: 'forbidden',
  404: 'notFound',
  412: 'conditionNotMet',
  416: 'requestedRangeNotSatisfiable',
  429: 'rateLimitExceeded',
  503: 'backendError',
};

export class StorageError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }

  toBody(): object {
    const { message, status } = this;
    const reason = REASONS[status] ?? 'backendError';
    return { error: { code: status, message, errors: [{ message, domain: 'global', reason }] } };
  }
}
