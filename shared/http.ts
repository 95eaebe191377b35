/**
 * The skeleton of every HTTP function: checks the method, calls the handler, and turns its result or its error into a
 * response. It knows nothing of the functions framework; `functions/runtime` adapts requests and responses.
 */
import type { Readable } from 'node:stream';
import { AppError, remedyFor, stackOf, toAppError } from './errors.ts';
import { type Log, traceFields } from './log.ts';
import type { Problem } from './schemas/problem.ts';

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed JSON when the content type is JSON, otherwise text or bytes; undefined without a body. */
  readonly body: unknown;
  /** The account of the caller, for the record of who read which email. The console sets it. */
  readonly account?: string;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Null: no body. A stream is for content that does not fit in memory; an error in it closes the connection. */
  readonly body: string | Buffer | Readable | null;
}

export interface Route {
  readonly methods: readonly string[];
  readonly handle: (request: HttpRequest, log: Log) => Promise<HttpResponse>;
}

/**
 * Rejects unknown query parameters: a misspelt one would otherwise be ignored, and the request would seem to succeed.
 *
 * @throws {AppError} bad_request for a parameter that is not one of `names`
 */
export function assertParameters(
  { query }: Pick<HttpRequest, 'query'>,
  functionName: string,
  names: readonly string[],
): void {
  const unknown = Object.keys(query).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw new AppError(
    'bad_request',
    `${JSON.stringify(unknown.slice(0, 40))} is not a parameter of ${functionName}. Valid parameters: ${names.join(', ') || 'none'}.`,
  );
}

/** Never rejects: an error of the handler becomes a problem response and a log line. */
export async function handleRequest(
  route: Route,
  request: HttpRequest,
  options: { readonly log: Log; readonly projectId: string | null },
): Promise<HttpResponse> {
  const trace = request.headers['x-cloud-trace-context'];
  const log = options.log.with(
    traceFields(typeof trace === 'string' ? trace : undefined, options.projectId ?? undefined),
  );
  if (!route.methods.includes(request.method)) {
    const detail = `This path does not support ${request.method}.`;
    return problem(new AppError('method_not_allowed', detail), { allow: route.methods.join(', ') });
  }
  try {
    return await route.handle(request, log);
  } catch (error) {
    return errorResponse(toAppError(error), log);
  }
}

/** Writes the one log line of a failed request. @returns the problem */
export function errorResponse(error: AppError, log: Log): HttpResponse {
  log.write(error.severity, 'request_failed', `${error.title}: ${error.message}`, {
    error_code: error.code,
    status: error.status,
    remediation: error.remediation,
    stack: stackOf(error),
  });
  return problem(error);
}

/**
 * A JSON response; a `Date` becomes an ISO string.
 *
 * @param body the output type of its schema in `shared/schemas`: name it, as in `json<Status>(200, status)`
 */
export function json<Body extends object = never>(status: number, body: NoInfer<Body>): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
    body: `${JSON.stringify(body)}\n`,
  };
}

export function noContent(): HttpResponse {
  return { status: 204, headers: {}, body: null };
}

/** A problem with Retry-After when the error knows it. @param more members to add to those of RFC 9457 */
export function problem(
  error: AppError,
  headers: Readonly<Record<string, string>> = {},
  more: Readonly<Record<string, unknown>> = {},
): HttpResponse {
  const remedy = remedyFor(error.code);
  const body: Problem = {
    type: 'about:blank',
    title: error.title,
    status: error.status,
    detail: error.message,
    code: error.code,
    remediation: error.remediation,
    ...(remedy?.action && { action: remedy.action, remediation_text: remedy.text }),
  };
  return {
    status: error.status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      ...(error.retryAfterMs !== null && { 'retry-after': String(Math.ceil(error.retryAfterMs / 1_000)) }),
      ...headers,
    },
    body: `${JSON.stringify({ ...body, ...more })}\n`,
  };
}
