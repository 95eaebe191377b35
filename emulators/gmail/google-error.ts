// Error responses of the Gmail API. Clients branch on `code`, on `errors[0].reason` and sometimes on `message`, so
// all three are Google's exact values.
// Format: https://developers.google.com/workspace/gmail/api/guides/handle-errors

/** The canonical status name (google.rpc.Code) for each HTTP status. */
const statusNames: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  405: 'UNIMPLEMENTED',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

const usageReasons = new Set(['rateLimitExceeded', 'userRateLimitExceeded', 'dailyLimitExceeded']);

interface ErrorFields {
  /** HTTP status. */
  code: number;
  reason: string;
  message: string;
  /** Default: `global`. Quota errors of a project use `usageLimits`. */
  domain?: string;
  /** Extra fields of the single entry in `errors`, such as the header that a 401 refers to. */
  entry?: Record<string, string>;
  retryAfterSeconds?: number | undefined;
}

/** An error response. Handlers throw it and the server writes it. */
export class GoogleError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly retryAfterSeconds: number | undefined;
  readonly body: object;

  constructor(fields: ErrorFields) {
    super(fields.message);
    this.name = 'GoogleError';
    this.code = fields.code;
    this.reason = fields.reason;
    this.retryAfterSeconds = fields.retryAfterSeconds;
    const entry = { message: fields.message, domain: fields.domain ?? 'global', reason: fields.reason };
    this.body = {
      error: {
        code: fields.code,
        message: fields.message,
        errors: [{ ...entry, ...fields.entry }],
        status: statusName(fields.code, fields.reason),
      },
    };
  }
}

function statusName(code: number, reason: string): string {
  if (usageReasons.has(reason)) return 'RESOURCE_EXHAUSTED';
  if (reason === 'failedPrecondition') return 'FAILED_PRECONDITION';
  return statusNames[code] ?? 'UNKNOWN';
}

/** 400: an invalid argument. */
export function invalidArgument(message: string): GoogleError {
  return new GoogleError({ code: 400, reason: 'invalidArgument', message });
}

/** 400: a watch with another topic while a watch is active. */
export function secondPushClient(): GoogleError {
  return new GoogleError({
    code: 400,
    reason: 'failedPrecondition',
    message: 'Only one user push notification client allowed per developer (call /stop then try again)',
  });
}

/** 404: a message, label or history id that does not exist or no longer exists. */
export function notFound(): GoogleError {
  return new GoogleError({ code: 404, reason: 'notFound', message: 'Requested entity was not found.' });
}

/** 401: a call without a token. */
export function loginRequired(): GoogleError {
  return new GoogleError({
    code: 401,
    reason: 'required',
    message:
      'Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.',
    entry: { location: 'Authorization', locationType: 'header' },
  });
}

/** 401: an unknown, expired or revoked token. */
export function invalidCredentials(): GoogleError {
  return new GoogleError({
    code: 401,
    reason: 'authError',
    message:
      'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.',
    entry: { location: 'Authorization', locationType: 'header' },
  });
}

/** 403: a token whose scopes do not cover the method. */
export function insufficientScope(): GoogleError {
  return new GoogleError({
    code: 403,
    reason: 'insufficientPermissions',
    message: 'Request had insufficient authentication scopes.',
  });
}

/** 403: a mailbox that does not belong to the token. */
export function delegationDenied(user: string): GoogleError {
  return new GoogleError({ code: 403, reason: 'forbidden', message: `Delegation denied for ${user}` });
}
