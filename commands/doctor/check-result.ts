/** The result of one check of `npm run doctor`: a line for the terminal, or an object for programs. Contains no secret. */
import type { LocalStackState } from '../../local/local-env.ts';
import { ConfigError } from '../../shared/config.ts';
import { toAppError } from '../../shared/errors.ts';
import { DeployError } from '../deploy/deploy-error.ts';
import { remediationForCommand } from '../support/command-remediation.ts';

/**
 * `fail`: does not work; an operator has to act. `warn`: works but should not stay so, or should be checkable but is not.
 * `info`: cannot be checked from here at all. `skip`: does not apply, or depends on a check that failed.
 */
export type CheckState = 'ok' | 'info' | 'warn' | 'fail' | 'skip';

export interface CheckResult {
  /** `history_cursor`. Programs rely on the names, so they do not change. */
  readonly name: string;
  readonly state: CheckState;
  readonly text: string;
  /** What to do, or how to check what cannot be checked from here. */
  readonly remediation: string | null;
}

const EXIT_CODES: Readonly<Record<CheckState, 0 | 1 | 2>> = { ok: 0, info: 0, skip: 0, warn: 1, fail: 2 };
const LABELS: Readonly<Record<CheckState, string>> = {
  ok: 'ok',
  info: 'info',
  skip: 'skip',
  warn: 'warn',
  fail: 'FAIL',
};

export function ok(name: string, text: string): CheckResult {
  return { name, state: 'ok', text, remediation: null };
}

export function info(name: string, text: string, remediation: string): CheckResult {
  return { name, state: 'info', text, remediation };
}

export function warn(name: string, text: string, remediation: string | null): CheckResult {
  return { name, state: 'warn', text, remediation };
}

export function fail(name: string, text: string, remediation: string | null): CheckResult {
  return { name, state: 'fail', text, remediation };
}

export function skip(name: string, reason: string): CheckResult {
  return { name, state: 'skip', text: reason, remediation: null };
}

/** The result for any thrown value, with the text and the remediation of the error catalogue. */
export function failure(name: string, thrown: unknown, localStack: LocalStackState = 'none'): CheckResult {
  if (thrown instanceof ConfigError) return fail(name, thrown.message, null);
  if (thrown instanceof DeployError) return fail(name, thrown.message, thrown.remediation);
  const error = toAppError(thrown);
  return fail(name, `${error.title}: ${error.message}`, remediationForCommand(error, localStack));
}

/** For a check that could not run: never reported as ok. */
export function unknown(name: string, thrown: unknown): CheckResult {
  const { text, remediation } = failure(name, thrown);
  return warn(name, `could not be checked: ${text}`, remediation);
}

/** Runs a check. An exception becomes a failed result. */
export async function attempt(
  name: string,
  check: () => Promise<CheckResult | readonly CheckResult[]>,
): Promise<CheckResult[]> {
  try {
    return [await check()].flat();
  } catch (error) {
    return [failure(name, error)];
  }
}

/** 0: no problem; 1: warnings; 2: failures. */
export function exitCodeOf(results: readonly CheckResult[]): 0 | 1 | 2 {
  return results.reduce<0 | 1 | 2>((worst, { state }) => {
    const code = EXIT_CODES[state];
    return code > worst ? code : worst;
  }, 0);
}

/** @param paint colours the label; unchanged unless given */
export function formatLine(
  { name, state, text, remediation }: CheckResult,
  paint: (state: CheckState, label: string) => string = (_, label) => label,
): string {
  const oneLine = text.replaceAll(/\s+/g, ' ');
  const fix = remediation === null ? '' : `  ->  ${remediation.replaceAll(/\s+/g, ' ')}`;
  return `${paint(state, LABELS[state].padEnd(4))}  ${name.replaceAll('_', ' ').padEnd(17)}  ${oneLine}${fix}`;
}
