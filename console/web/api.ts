/**
 * Calls of the server. What must stay true: whatever goes wrong, the caller gets a `Problem` that says what
 * happened and what to do, never a bare exception.
 */
export const CONSOLE_API = '/api/console';
export const MONITOR_API = '/api/system/email-monitor';

/** A read that takes longer is given up and tried again; a cycle may take as long as its budget. */
const READ_TIMEOUT_MS = 15_000;

/** RFC 9457, as the server writes it; our own words where no answer came. */
export class Problem extends Error {
  readonly title: string;
  readonly detail: string;
  readonly remediation: string;

  constructor(title: string, detail: string, remediation: string) {
    super(`${title}: ${detail}`);
    this.title = title;
    this.detail = detail;
    this.remediation = remediation;
  }
}

/** @throws {Problem} */
export async function get<Body>(path: string): Promise<Body> {
  return await call<Body>(path, { signal: AbortSignal.timeout(READ_TIMEOUT_MS) });
}

/**
 * A read whose words must not stand in a URL.
 *
 * @throws {Problem}
 */
export async function ask<Body>(path: string, question: object): Promise<Body> {
  return await call<Body>(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(question),
    signal: AbortSignal.timeout(READ_TIMEOUT_MS),
  });
}

/**
 * For what changes something.
 *
 * @throws {Problem}
 */
export async function post<Body>(path: string): Promise<Body> {
  return await call<Body>(path, { method: 'POST' });
}

async function call<Body>(path: string, options: RequestInit): Promise<Body> {
  let response: Response;
  try {
    response = await fetch(path, { ...options, cache: 'no-store', redirect: 'error' });
  } catch (error) {
    throw noAnswer(error);
  }
  const text = await response.text().catch((fault: unknown) => Promise.reject(noAnswer(error)));
  const body = parsed(text);
  if (response.ok && body !== undefined) return body as Body;
  throw toProblem(response.status, body);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function noAnswer(fault: unknown): Problem {
  const isLate = fault instanceof DOMException && fault.name === 'TimeoutError';
  return new Problem(
    'The server does not answer',
    isLate ? 'It did not answer in 15 seconds.' : 'It could not be reached.',
    'Check your network, and that the console or its proxy still runs.',
  );
}

function toProblem(status: number, body: unknown): Problem {
  const said = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const word = (name: string, otherwise: string) =>
    typeof said[name] === 'string' && said[name] !== '' ? said[name] : otherwise;
  return new Problem(
    word('title', `The server answered ${status}`),
    word('detail', 'The answer is not one of this system: something between here and it may have answered.'),
    word('remediation', 'Try again; if it stays, look at the log of the console.'),
  );
}
