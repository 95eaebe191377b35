/**
 * Loads a `.env` file into the environment, and reports the lines that have no effect. These are malformed lines, and names
 * that look like a misspelt variable of this program. Names that belong to other programs are not reported.
 * Invariant: a warning never shows a value.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseEnv } from 'node:util';

/** A name that begins like this is meant for this program. */
const OWN_PREFIXES = ['GMAIL_', 'DB_', 'CLOUD_SQL_', 'SCHEDULER_', 'CLOUD_SCHEDULER_', 'RUN_BUDGET_'];
/** Shorter names, such as PORT, resemble too many names of other programs. */
const MIN_SIMILAR_LENGTH = 8;
const ASSIGNMENT = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/;

/**
 * Variables that are set already win over the file.
 *
 * @param exampleFile the file that lists every known variable
 * @returns one warning per line without effect; empty when there is no file
 */
export function loadEnvFile(file: string, exampleFile: string): string[] {
  if (!existsSync(file)) return [];
  const knownNames = Object.keys(parseEnv(readFileSync(exampleFile, 'utf8')));
  process.loadEnvFile(file);
  return checkEnvFile(readFileSync(file, 'utf8'), knownNames).map(
    ({ line, problem }) => `${basename(file)} line ${line}: ${problem}`,
  );
}

export interface EnvFileProblem {
  /** From 1. */
  readonly line: number;
  readonly problem: string;
}

export function checkEnvFile(text: string, knownNames: readonly string[]): EnvFileProblem[] {
  const problems: EnvFileProblem[] = [];
  const lines = text.split(/\r?\n/);
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at]?.trim() ?? '';
    if (line === '' || line.startsWith('#')) continue;
    const report = (problem: string, number = at + 1) => problems.push({ line: number, problem });
    const [, name = '', value = ''] = ASSIGNMENT.exec(line) ?? [];
    if (name === '') {
      report('malformed, and ignored. A line must have the form NAME=value.');
      continue;
    }
    const problem = nameProblem(name, knownNames);
    if (problem !== null) report(problem);
    const end = lastLineOfValue(lines, at, value);
    const isSwallowing = lines.slice(at + 1, end ?? at).some((inner) => assignsKnown(inner, knownNames));
    if (end === null || isSwallowing) report('the quotation mark at the start of the value is not closed.');
    else at = end;
  }
  return problems;
}

/** The index of the line on which a value in quotation marks ends; null when it does not end. */
function lastLineOfValue(lines: readonly string[], begin: number, value: string): number | null {
  const quote = value.charAt(0);
  if (!['"', "'", '`'].includes(quote) || value.includes(quote, 1)) return begin;
  const end = lines.findIndex((line, at) => at > begin && line.includes(quote));
  return end === -1 ? null : end;
}

/** A known variable inside a value of several lines shows that the closing quotation mark is missing. */
function assignsKnown(line: string, knownNames: readonly string[]): boolean {
  return knownNames.includes(ASSIGNMENT.exec(line.trim())?.[1] ?? '');
}

function nameProblem(name: string, knownNames: readonly string[]): string | null {
  if (knownNames.includes(name)) return null;
  const [nearest] = knownNames
    .map((known) => ({ known, distance: editDistance(name.toUpperCase(), known) }))
    .sort((a, b) => a.distance - b.distance);
  const isOwn = OWN_PREFIXES.some((prefix) => name.toUpperCase().startsWith(prefix));
  const maxDistance = isOwn ? name.length / 3 : name.length < MIN_SIMILAR_LENGTH ? 0 : 2;
  if (nearest !== undefined && nearest.distance <= maxDistance)
    return `${name} is not a known variable. Did you mean ${nearest.known}?`;
  return isOwn ? `${name} is not a known variable. .env.example lists every variable.` : null;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const substituted = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substituted, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
