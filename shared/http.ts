/**
 * The one skeleton of every HTTP function: method check, the handler, its answer or its fault as JSON. The core
 * never sees a framework's request; `functions/` adapts.
 */
import type { Readable } from 'node:stream';
import { AppError, stackOf, toAppError } from './errors.ts';
import { type Log, traceFields } from './log.ts';
import type { Problem } from './schemas/problem.ts';

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed JSON where it was declared as such, else text or bytes; undefined without a body. */
  readonly body: unknown;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Null: no body. A stream is for what does not fit in memory; a fault in it breaks the connection off. */
  readonly body: string | Buffer | Readable | null;
}

export interface Route {
  readonly methods: readonly string[];
  readonly handle: (request: HttpRequest, log: Log) => Promise<HttpAnswer>;
}

/**
 * A misspelt parameter would be ignored, and its request answered as done.
 *
 * @throws {AppError} bad_request for a parameter that is not one of `names`
 */
export function assertParameters(
  { query }: HttpRequest,
  functionName: string,
  names: readonly string[],
): void {
  const unknown = Object.keys(query).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw new AppError(
    'bad_request',
    `${JSON.stringify(unknown.slice(0, 40))} is no parameter of ${functionName}. Its parameters: ${names.join(', ')}.`,
  );
}

/** Answers always; what was thrown becomes a problem, and a log line when it is the system's fault. */
export async function answer(
  route: Route,
  request: HttpRequest,
  options: { readonly log: Log; readonly projectId: string | null },
): Promise<HttpAnswer> {
  const trace = request.headers['x-cloud-trace-context'];
  const log = options.log.with(
    traceFields(typeof trace === 'string' ? trace : undefined, options.projectId ?? undefined),
  );
  if (!route.methods.includes(request.method)) {
    const detail = `${request.method} is not possible here.`;
    return problem(new AppError('method_not_allowed', detail), { allow: route.methods.join(', ') });
  }
  try {
    return await route.handle(request, log);
  } catch (thrown) {
    const error = toAppError(thrown);
    logFault(log, error);
    return problem(error);
  }
}

/**
 * Encodes an answer; times in it are `Date` and become ISO strings.
 *
 * @param body of the output type of its schema in `shared/schemas`: name it, as in `json<Status>(200, status)`
 */
export function json<Body extends object = never>(status: number, body: NoInfer<Body>): HttpAnswer {
  return {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
    body: `${JSON.stringify(body)}\n`,
  };
}

export function noContent(): HttpAnswer {
  return { status: 204, headers: {}, body: null };
}

/** @param more members of our own beside those of RFC 9457 */
export function problem(
  error: AppError,
  headers: Readonly<Record<string, string>> = {},
  more: Readonly<Record<string, unknown>> = {},
): HttpAnswer {
  const body: Problem = {
    type: 'about:blank',
    title: error.title,
    status: error.status,
    detail: error.message,
    code: error.code,
    remediation: error.remediation,
  };
  return {
    status: error.status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...headers },
    body: `${JSON.stringify({ ...body, ...more })}\n`,
  };
}

/** The one line about a request that failed. */
export function logFault(log: Log, error: AppError): void {
  log.write(error.severity, 'request_failed', `${error.title}: ${error.message}`, {
    error_code: error.code,
    status: error.status,
    remediation: error.remediation,
    stack: stackOf(error),
  });
}
