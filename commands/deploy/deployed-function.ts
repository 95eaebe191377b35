/**
 * Reads from a deployed function with an identity token. It retries on a new deployment: a grant takes a few minutes to
 * take effect everywhere, a new instance some seconds to start, and a migration of the schema some seconds to end.
 */
import * as z from 'zod/mini';
import { problemSchema } from '../../shared/schemas/problem.ts';
import { DeployError } from './deploy-error.ts';
import { assertSafeForToken } from './gcloud.ts';
import { retryForSeconds } from './retry-for-seconds.ts';

/** Below the limit of fetch, 300 s. */
const TIMEOUT_MS = 290_000;
const MAX_WAIT_MS = 8_000;
const MAX_SHOWN_CHARACTERS = 200;

export interface FunctionCall {
  /** `status` */
  readonly name: string;
  readonly url: string;
  readonly token: string;
  /** How long a transient failure is retried; 0: never. */
  readonly retryForSeconds: number;
  readonly signal: AbortSignal;
  readonly onRetry: (reason: string) => void;
  /** The remediation of a 403: which permission the caller needs, and how to get it. */
  readonly permissionRemediation: string;
  /** The command that reads the function's log. */
  readonly logCommand: string;
  /** For tests. */
  readonly timeoutMs?: number;
}

/** @returns the JSON of a 200. @throws {DeployError} */
export async function callFunction(call: FunctionCall): Promise<unknown> {
  const answer = await retryForSeconds(async () => await callOnce(call), {
    seconds: call.retryForSeconds,
    maxWaitMs: MAX_WAIT_MS,
    signal: call.signal,
    isTransient: (attempt) => 'error' in attempt && attempt.isTransient,
    onRetry: (attempt) => 'error' in attempt && call.onRetry(attempt.error.message),
  });
  if ('json' in answer) return answer.json;
  throw answer.error;
}

type Attempt = { readonly json: unknown } | { readonly error: DeployError; readonly isTransient: boolean };

async function callOnce(call: FunctionCall): Promise<Attempt> {
  assertSafeForToken(new URL(call.url), call.url, "Correct Terraform's outputs.");
  let status: number;
  let text: string;
  try {
    const response = await fetch(call.url, {
      headers: { authorization: `Bearer ${call.token}`, accept: 'application/json' },
      // The token must not go to another host.
      redirect: 'manual',
      signal: AbortSignal.any([call.signal, AbortSignal.timeout(call.timeoutMs ?? TIMEOUT_MS)]),
    });
    status = response.status;
    text = await response.text();
  } catch (error) {
    call.signal.throwIfAborted();
    return { error: noAnswerError(call, error), isTransient: true };
  }
  return readAnswer(call, status, text);
}

function noAnswerError(call: FunctionCall, error: unknown): DeployError {
  const where = `${call.name} at ${call.url}`;
  const readLog = `read its log: ${call.logCommand}`;
  if (error instanceof Error && error.name === 'TimeoutError') {
    const message = `${where} has not answered in ${(call.timeoutMs ?? TIMEOUT_MS) / 1_000} s`;
    return new DeployError(message, `Run the command again, or ${readLog}`);
  }
  const message = `${where} does not answer (${reasonOf(error)})`;
  return new DeployError(message, `Check that this machine can reach it, and ${readLog}`);
}

function readAnswer(call: FunctionCall, status: number, text: string): Attempt {
  const json = parseJson(text);
  if (status === 200 && json !== null) return { json };
  const problem = z.safeParse(problemSchema, json);
  if (problem.success) {
    const { title, detail, remediation } = problem.data;
    const error = new DeployError(`${call.name} answers ${status}, ${title}: ${detail}`, remediation);
    return { error, isTransient: status === 503 };
  }
  // From Google's front end, not from the function.
  if (status === 401 || status === 403) {
    const message = `${call.name} answers ${status}: this account may not call it, or not yet`;
    return { error: new DeployError(message, call.permissionRemediation), isTransient: true };
  }
  const body = text.replaceAll(/<[^>]*>|\s+/g, ' ').trim();
  const message = `${call.name} answers ${status}${body === '' ? '' : `: ${body.slice(0, MAX_SHOWN_CHARACTERS)}`}`;
  const error = new DeployError(message, `Read its log: ${call.logCommand}`);
  return { error, isTransient: status === 404 || status === 429 || status >= 500 };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (cause instanceof Error && 'code' in cause && cause.code !== undefined) return String(cause.code);
  return cause instanceof Error ? cause.name : String(cause);
}
