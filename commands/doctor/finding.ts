/** What one check of `npm run doctor` found: a line for a person, or an object for a program. Holds no secret. */
import { ConfigError } from '../../shared/config.ts';
import { toAppError } from '../../shared/errors.ts';
import { DeployError } from '../deploy/deploy-error.ts';

/**
 * `fault`: does not work, a person has to act. `warning`: works, and should not stay so; or could not be looked at,
 * though it should have been. `note`: cannot be seen from here by its nature. `skipped`: does not apply, or something
 * before it is at fault.
 */
export type FindingState = 'ok' | 'note' | 'warning' | 'fault' | 'skipped';

export interface Finding {
  /** What was looked at; programs rely on it, so it stays: `history_cursor`. */
  readonly name: string;
  readonly state: FindingState;
  readonly text: string;
  /** What to do, or how to see what could not be seen. */
  readonly remediation: string | null;
}

/** Exit codes. */
const CODES: Readonly<Record<FindingState, 0 | 1 | 2>> = { ok: 0, note: 0, skipped: 0, warning: 1, fault: 2 };
const WORDS: Readonly<Record<FindingState, string>> = {
  ok: 'ok',
  note: 'note',
  skipped: 'skip',
  warning: 'warn',
  fault: 'FAIL',
};

export function ok(name: string, text: string): Finding {
  return { name, state: 'ok', text, remediation: null };
}

export function note(name: string, text: string, remediation: string): Finding {
  return { name, state: 'note', text, remediation };
}

export function warn(name: string, text: string, remediation: string | null): Finding {
  return { name, state: 'warning', text, remediation };
}

export function fail(name: string, text: string, remediation: string | null): Finding {
  return { name, state: 'fault', text, remediation };
}

/** Not looked at, because it does not apply, or because of something that failed before. */
export function skip(name: string, reason: string): Finding {
  return { name, state: 'skipped', text: reason, remediation: null };
}

/** Any thrown thing as a finding, by the catalogue of faults. */
export function failure(name: string, thrown: unknown): Finding {
  if (thrown instanceof ConfigError) return fail(name, thrown.message, null);
  if (thrown instanceof DeployError) return fail(name, thrown.message, thrown.remediation);
  const error = toAppError(thrown);
  return fail(name, `${error.title}: ${error.message}`, error.remediation);
}

/** Could not be looked at: never told as well. */
export function unseen(name: string, thrown: unknown): Finding {
  const { text, remediation } = failure(name, thrown);
  return warn(name, `cannot be looked at: ${text}`, remediation);
}

/** The findings of a step; whatever it throws is a fault of the link that it is about. */
export async function attempt(
  name: string,
  step: () => Promise<Finding | readonly Finding[]>,
): Promise<Finding[]> {
  try {
    return [await step()].flat();
  } catch (error) {
    return [failure(name, error)];
  }
}

/** 0 all is well, 1 warnings, 2 faults. */
export function exitCodeOf(findings: readonly Finding[]): 0 | 1 | 2 {
  return findings.reduce<0 | 1 | 2>((worst, { state }) => (CODES[state] > worst ? CODES[state] : worst), 0);
}

/** @param paint colours the first word; leaves it as it is unless given */
export function asLine(
  { name, state, text, remediation }: Finding,
  paint: (state: FindingState, word: string) => string = (_, word) => word,
): string {
  const said = text.replaceAll(/\s+/g, ' ');
  const does = remediation === null ? '' : `  ->  ${remediation.replaceAll(/\s+/g, ' ')}`;
  return `${paint(state, WORDS[state].padEnd(4))}  ${name.replaceAll('_', ' ').padEnd(17)}  ${said}${does}`;
}
