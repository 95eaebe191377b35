/**
 * HTTP client of the page.
 * Invariant: every failure reaches the caller as a `Problem` that says what happened and what to do.
 */
import type { AdviceAction } from '../../shared/schemas/actions.ts';

export const CONSOLE_API = '/api/console';
export const MONITOR_API = '/api/system/email-monitor';

/** With this header, Identity-Aware Proxy answers an ended login with 401 instead of a redirect to the login page. */
const FROM_SCRIPT = { 'x-requested-with': 'XMLHttpRequest' };

/** For reads only: a poll may take as long as its run budget. */
export const READ_TIMEOUT_MS = 15_000;

/** An RFC 9457 problem from the server, or the page's own when no usable response arrived. */
export class Problem extends Error {
  readonly title: string;
  readonly detail: string;
  readonly remediation: string;
  /** Of the server's problem; null when no usable response arrived. */
  readonly code: string | null;
  /** What the remediation asks for, which has a button on this page. */
  readonly action: AdviceAction | null;

  constructor(
    title: string,
    detail: string,
    remediation: string,
    {
      action = null,
      code = null,
    }: { readonly action?: AdviceAction | null; readonly code?: string | null } = {},
  ) {
    super(`${title}: ${detail}`);
    this.title = title;
    this.detail = detail;
    this.remediation = remediation;
    this.code = code;
    this.action = action;
  }
}

interface CallOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

/**
 * @param path below CONSOLE_API
 * @param signal ends the request early; it then fails as if the server did not respond
 * @throws {Problem}
 */
export async function get<Body>(path: string, signal?: AbortSignal): Promise<Body> {
  const timeout = AbortSignal.timeout(READ_TIMEOUT_MS);
  const either = signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
  return await call<Body>(path, { ...readMethod(), signal: either });
}

/**
 * The server wants Sec-Fetch-Site or Origin. Outside of a secure context a browser sends neither with a GET, and sends Origin
 * with a POST.
 */
function readMethod(): CallOptions {
  return window.isSecureContext ? {} : { method: 'POST', headers: { 'x-http-method-override': 'GET' } };
}

/**
 * Reads by POST, for parameters that must not appear in a URL.
 *
 * @throws {Problem}
 */
export async function postQuery<Body>(path: string, parameters: object): Promise<Body> {
  return await call<Body>(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(parameters),
    signal: AbortSignal.timeout(READ_TIMEOUT_MS),
  });
}

/**
 * For requests that change something. They have no time limit.
 *
 * @throws {Problem}
 */
export async function post<Body>(path: string): Promise<Body> {
  return await call<Body>(path, { method: 'POST' });
}

/**
 * The same with parameters.
 *
 * @throws {Problem}
 */
export async function postJson<Body>(path: string, parameters: object): Promise<Body> {
  const headers = { 'content-type': 'application/json' };
  return await call<Body>(path, { method: 'POST', headers, body: JSON.stringify(parameters) });
}

async function call<Body>(path: string, options: CallOptions): Promise<Body> {
  let response: Response;
  try {
    const headers = { ...FROM_SCRIPT, ...options.headers };
    response = await fetch(path, { ...options, headers, cache: 'no-store', redirect: 'error' });
  } catch (error) {
    throw noResponse(error);
  }
  const text = await response.text().catch((error: unknown) => Promise.reject(noResponse(error)));
  const body = parseJson(text);
  if (response.ok && body !== undefined) return body as Body;
  throw problemFrom(response.status, body);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function noResponse(error: unknown): Problem {
  const isTimeout = error instanceof DOMException && error.name === 'TimeoutError';
  return isTimeout ? noResponseWithin(READ_TIMEOUT_MS) : notResponding('The server could not be reached.');
}

export function noResponseWithin(ms: number): Problem {
  return notResponding(`No response arrived within ${ms / 1_000} seconds.`);
}

function notResponding(detail: string): Problem {
  return new Problem(
    'The server is not responding',
    detail,
    'Check your network connection, and that the console, its database and any proxy in front of it are running.',
  );
}

function problemFrom(status: number, body: unknown): Problem {
  // The console itself answers 401 with a problem.
  if (status === 401 && body === undefined)
    return new Problem(
      'Your login has ended',
      'The proxy in front of the console asks for a new login.',
      'Reload the page to log in.',
    );
  const members = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const member = (name: string, fallback: string) =>
    typeof members[name] === 'string' && members[name] !== '' ? members[name] : fallback;
  return new Problem(
    member('title', `The server responded with status ${status}`),
    member('detail', 'The response has an unknown format. A proxy may have sent it instead of the console.'),
    member(
      'remediation_text',
      member('remediation', 'Try again. If the problem persists, check the log of the console.'),
    ),
    {
      action: (members['action'] as AdviceAction | undefined) ?? null,
      code: typeof members['code'] === 'string' ? members['code'] : null,
    },
  );
}
