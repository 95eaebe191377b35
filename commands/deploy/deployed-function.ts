/**
 * Calls a deployed function in the name of whoever deploys. A fresh deployment needs patience: a grant takes up to
 * some minutes to be seen everywhere, a new instance some seconds to come up.
 */
import * as z from 'zod/mini';
import { problemSchema } from '../../shared/schemas/problem.ts';
import { DeployError } from './deploy-error.ts';
import { assertTokenMayGo, patiently } from './patience.ts';

/** fetch gives up by itself after 300 s. A migration may take longer: see the timeout in terraform/functions.tf. */
const ANSWER_MS = 290_000;
const LONGEST_WAIT_MS = 8_000;
const SHOWN_CHARACTERS = 200;

export interface FunctionCall {
  /** As the operator knows it: `migrate`. */
  readonly name: string;
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly token: string;
  /** For how long a refusal that may pass is asked again, seconds; 0: never. */
  readonly patienceSeconds: number;
  readonly signal: AbortSignal;
  readonly onWait: (why: string) => void;
  /** Who may call it, and how one becomes that; for the remediation of a 403. */
  readonly cureOfRefusal: string;
  /** Where its log is read. */
  readonly logCommand: string;
  /** For tests. */
  readonly answerMs?: number;
}

/** @returns the JSON of a 200. @throws {DeployError} */
export async function callFunction(call: FunctionCall): Promise<unknown> {
  const answer = await patiently(async () => await ask(call), {
    seconds: call.patienceSeconds,
    longestWaitMs: LONGEST_WAIT_MS,
    signal: call.signal,
    mayPass: (asked) => 'error' in asked && asked.mayPass,
    onWait: (asked) => 'error' in asked && call.onWait(asked.error.message),
  });
  if ('json' in answer) return answer.json;
  throw answer.error;
}

type Asked = { readonly json: unknown } | { readonly error: DeployError; readonly mayPass: boolean };

async function ask(call: FunctionCall): Promise<Asked> {
  assertTokenMayGo(new URL(call.url), call.url, "Correct Terraform's outputs.");
  let status: number;
  let text: string;
  try {
    const response = await fetch(call.url, {
      method: call.method,
      headers: { authorization: `Bearer ${call.token}`, accept: 'application/json' },
      // The token goes to this host alone.
      redirect: 'manual',
      signal: AbortSignal.any([call.signal, AbortSignal.timeout(call.answerMs ?? ANSWER_MS)]),
    });
    status = response.status;
    text = await response.text();
  } catch (error) {
    call.signal.throwIfAborted();
    return { error: silence(call, error), mayPass: true };
  }
  return judge(call, status, text);
}

function silence(call: FunctionCall, error: unknown): DeployError {
  const where = `${call.name} at ${call.url}`;
  const read = `read its log: ${call.logCommand}`;
  if (error instanceof Error && error.name === 'TimeoutError') {
    const why = `${where} has not answered in ${(call.answerMs ?? ANSWER_MS) / 1_000} s, and may still be at work`;
    return new DeployError(why, `Leave it a quarter of an hour, or ${read}`);
  }
  const why = `${where} does not answer (${reasonOf(error)})`;
  return new DeployError(why, `See that this machine reaches it, and ${read}`);
}

function judge(call: FunctionCall, status: number, text: string): Asked {
  const json = parseJson(text);
  if (status === 200 && json !== null) return { json };
  const problem = z.safeParse(problemSchema, json);
  if (problem.success) {
    const { title, detail, remediation } = problem.data;
    const error = new DeployError(`${call.name} answers ${status}, ${title}: ${detail}`, remediation);
    return { error, mayPass: status === 503 };
  }
  // Not from the function: from what stands before it.
  if (status === 401 || status === 403) {
    const why = `${call.name} answers ${status}: this account may not call it, or not yet`;
    return { error: new DeployError(why, call.cureOfRefusal), mayPass: true };
  }
  const said = text.replaceAll(/<[^>]*>|\s+/g, ' ').trim();
  const why = `${call.name} answers ${status}${said === '' ? '' : `: ${said.slice(0, SHOWN_CHARACTERS)}`}`;
  const error = new DeployError(why, `Read its log: ${call.logCommand}`);
  return { error, mayPass: status === 404 || status === 429 || status >= 500 };
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
