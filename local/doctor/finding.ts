/** What one check of `npm run doctor` found: a line for a person. Holds no secret. */
import { ConfigError } from '../../shared/config.ts';
import { toAppError } from '../../shared/errors.ts';

export interface Finding {
  /** What was looked at, one or two words. */
  readonly name: string;
  readonly state: 'ok' | 'FAIL' | 'skip';
  readonly text: string;
  /** What to do, with FAIL. */
  readonly cure: string | null;
}

export function ok(name: string, text: string): Finding {
  return { name, state: 'ok', text, cure: null };
}

export function fail(name: string, text: string, cure: string | null): Finding {
  return { name, state: 'FAIL', text, cure };
}

/** Not looked at, because of something that failed before. */
export function skip(name: string, reason: string): Finding {
  return { name, state: 'skip', text: reason, cure: null };
}

/** Any thrown thing as a finding, by the catalogue of faults. */
export function failure(name: string, thrown: unknown): Finding {
  if (thrown instanceof ConfigError) return fail(name, thrown.message, null);
  const error = toAppError(thrown);
  return fail(name, `${error.title}: ${error.message}`, error.cure);
}

export function asLine({ name, state, text, cure }: Finding): string {
  const said = text.replaceAll(/\s+/g, ' ');
  return `${state.padEnd(4)}  ${name.padEnd(14)}  ${said}${cure === null ? '' : `  ->  ${cure}`}`;
}
